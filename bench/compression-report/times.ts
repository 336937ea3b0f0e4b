import { cpus, loadavg } from 'node:os';
import { evolutionScores } from '../../services/compression/src/evocut/evocut.ts';
import { type Encoder, type Picture } from './encoder.ts';

export interface Times {
  readonly encoderMs: number;
  readonly selectionMs: number;
  readonly machine: string;
  readonly load: string;
}

/** CPU time of one thread for a picture, medians: on a busy machine the clock on the wall says more about the others. */
export async function cpuTimes(encoder: Encoder, pictures: readonly Picture[]): Promise<Times> {
  const rows: { encoder: number; selection: number }[] = [];
  for (const picture of pictures) {
    const begin = process.cpuUsage();
    const { states } = await encoder.encode(picture);
    const encoded = process.cpuUsage();
    evolutionScores(states);
    rows.push({ encoder: between(begin, encoded), selection: between(encoded, process.cpuUsage()) });
  }
  const median = (values: readonly number[]) => Number(values.toSorted((a, b) => a - b)[values.length >> 1].toFixed(1));
  const load = loadavg().map((value) => value.toFixed(1));
  return { encoderMs: median(rows.map((row) => row.encoder)), selectionMs: median(rows.map((row) => row.selection)), machine: `${cpus()[0].model}, ${cpus().length} cores`, load: load.join(' ') };
}

const between = (a: NodeJS.CpuUsage, b: NodeJS.CpuUsage) => (b.user + b.system - a.user - a.system) / 1000;
