// What EvoCut costs inside the encoder's graph: time, memory and bytes, beside the encoder alone and the form in TypeScript.
import { evolutionScores } from '@touchstone/compression';
import { readManifest } from '@touchstone/models';
import { editGraph } from '@touchstone/onnx-graph';
import { seededRandom } from '@touchstone/runtime/random';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const root = fileURLToPath(new URL('../../', import.meta.url));
const graph = join(process.env.TOUCHSTONE_MODELS_DIR ?? join(root, '.touchstone/models'), 'laptop/encode-vision/1/model.onnx');
const rounds = 15;
const [tokens, width, kept] = [256, 384, 28];
const states = Array.from({ length: readManifest('laptop')['encode-vision'].encoder!.layers }, (_, index) => `/backbone/encoder/layer.${index + 4}/Add_1_output_0`);
const selected = ['indices', 'scores', 'kept_tokens'];

/** The same weights with other outputs: `encoder` the last hidden state, `states` all that the selection reads, which then leave. */
const graphs = {
  encoder: () => withoutSelection(states.slice(-1)),
  selection: () => readFileSync(graph),
  states: () => withoutSelection(states),
};
type Graph = keyof typeof graphs;

/** Outputs of the selection. */
const own = ['indices', 'scores', 'kept_tokens', 'all_tokens', 'variation', 'class_attention', 'attention_keys'];

function withoutSelection(outputs: readonly string[]): Uint8Array {
  return editGraph(readFileSync(graph), { removed: [...own, 'ranks', 'momentum', 'select_layer'], after: [], outputs: outputs.map((name) => ({ name, type: 'FLOAT', shape: ['batch', 'tokens', width] })) });
}

const open = (name: Graph, threads: number, profile?: string) =>
  InferenceSession.create(graphs[name](), {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
    ...(profile ? { enableProfiling: true, profileFilePrefix: profile } : {}),
  });

/** Pixels of `batch` pictures, and what the selection is asked. */
function inputs(name: Graph, batch: number): Record<string, Tensor> {
  const random = seededRandom(1);
  const pixels = new Tensor('float32', Float32Array.from({ length: batch * 3 * 224 * 224 }, () => 4 * random() - 2), [batch, 3, 224, 224]);
  if (name !== 'selection') return { pixel_values: pixels };
  return {
    pixel_values: pixels,
    ranks: new Tensor('int64', BigInt64Array.from({ length: batch * kept }, (_, index) => BigInt(index % kept)), [batch, kept]),
    momentum: new Tensor('float32', new Float32Array(batch).fill(0.95), [batch, 1]),
    select_layer: new Tensor('int64', new BigInt64Array(batch).fill(-1n), [batch, 1]),
  };
}

const asked = (name: Graph) => (name === 'encoder' ? states.slice(-1) : name === 'states' ? states : selected);
const bytesOf = (outputs: InferenceSession.ReturnType) => Object.values(outputs).reduce((sum, { data }) => sum + (data as Float32Array).byteLength, 0);
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const rounded = (values: Record<string, number>) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value.toPrecision(3))]));

async function time(threads: number, batch: number, folder: string) {
  const names: Graph[] = ['encoder', 'selection', 'states'];
  const sessions = await Promise.all(names.map((name) => open(name, threads)));
  const none = (): Record<Graph | 'typescript', number[]> => ({ encoder: [], selection: [], states: [], typescript: [] });
  const [ms, cpuMs] = [none(), none()];
  const fed = names.map((name) => inputs(name, batch));
  // Interleaved, so that a slow minute of the machine hits all alike; the first two rounds warm up.
  for (let round = -2; round < rounds; round++) {
    const measured = async <Result>(name: keyof typeof ms, pictures: number, work: () => Result | Promise<Result>): Promise<Result> => {
      const [cpu, from] = [process.cpuUsage(), performance.now()];
      const result = await work();
      const [elapsed, { user, system }] = [performance.now() - from, process.cpuUsage(cpu)];
      if (round < 0) return result;
      ms[name].push(elapsed / pictures);
      cpuMs[name].push((user + system) / 1000 / pictures);
      return result;
    };
    let left: InferenceSession.ReturnType = {};
    for (const [index, name] of names.entries()) left = await measured(name, batch, () => sessions[index].run(fed[index], asked(name)));
    const layers = states.map((name) => (left[name].data as Float32Array).slice(width, (1 + tokens) * width));
    await measured('typescript', 1, () => evolutionScores({ layers, tokens, width }));
  }
  await Promise.all(sessions.map((session) => session.release()));
  return rounded({
    encoderMs: median(ms.encoder),
    selectionMs: median(ms.selection),
    statesMs: median(ms.states),
    typescriptMs: median(ms.typescript),
    encoderCpuMs: Math.min(...cpuMs.encoder),
    selectionCpuMs: Math.min(...cpuMs.selection),
    statesCpuMs: Math.min(...cpuMs.states),
    typescriptCpuMs: Math.min(...cpuMs.typescript),
    share: await share(threads, batch, folder),
    /** Slowest by fastest round of the encoder alone: how much the machine itself varied. */
    noise: Math.max(...ms.encoder) / Math.min(...ms.encoder),
  });
}

/** Time inside the selection's own nodes to that of all nodes, by ONNX Runtime's profile: medians of each node, so that other work counts least. */
async function share(threads: number, batch: number, folder: string): Promise<number> {
  const session = await open('selection', threads, join(folder, `profile-${threads}-${batch}`));
  for (let round = 0; round < rounds; round++) await session.run(inputs('selection', batch), selected);
  session.endProfiling();
  await session.release();
  const [file] = execFileSync('find', [folder, '-name', `profile-${threads}-${batch}*`], { encoding: 'utf8' }).split('\n');
  const nodes = (JSON.parse(readFileSync(file, 'utf8')) as { cat: string; name: string; dur: number }[]).filter(({ cat, name }) => cat === 'Node' && name.endsWith('_kernel_time'));
  const medians = [...Map.groupBy(nodes, ({ name }) => name)].map(([name, runs]) => ({ name, dur: median(runs.map(({ dur }) => dur)) }));
  const sum = (all: typeof medians) => all.reduce((total, { dur }) => total + dur, 0);
  return sum(medians.filter(({ name }) => name.includes('evocut') || own.some((output) => name.startsWith(`touchstone/${output}`)))) / sum(medians);
}

/** What runs of a graph take beyond the loaded model at most, MB: a process of its own says it. Linux only. */
const peak = (name: Graph, batch: number) => Number(execFileSync(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), name, String(batch)], { encoding: 'utf8' }));

const [child, childBatch] = process.argv.slice(2);
if (child) {
  const session = await open(child as Graph, 1);
  const fed = inputs(child as Graph, Number(childBatch));
  const memory = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024;
  const loaded = memory('VmRSS');
  writeFileSync('/proc/self/clear_refs', '5'); // the peak begins anew
  for (let round = 0; round < 3; round++) await session.run(fed, asked(child as Graph));
  console.log(memory('VmHWM') - loaded);
} else {
  const folder = mkdtempSync(join(tmpdir(), 'bench-compression-'));
  try {
    const results: Record<string, Record<string, number>> = {};
    for (const threads of [1, 2]) {
      for (const batch of [1, 4]) {
        const row = `${threads} thread${threads > 1 ? 's' : ''}, batch ${batch}`;
        results[row] = await time(threads, batch, folder);
        console.log(row, results[row]);
      }
    }
    const memory = Object.fromEntries((Object.keys(graphs) as Graph[]).map((name) => {
      const [one, four] = [1, 4].map((batch) => median([1, 2, 3].map(() => peak(name, batch))));
      return [name, rounded({ batch1Mb: one, batch4Mb: four, pictureMb: (four - one) / 3 })];
    }));
    const bytes: Record<string, number> = {};
    for (const name of Object.keys(graphs) as Graph[]) bytes[name] = bytesOf(await (await open(name, 2)).run(inputs(name, 1), asked(name)));
    console.log(memory, bytes);
    const { version } = JSON.parse(readFileSync(join(root, 'node_modules/onnxruntime-node/package.json'), 'utf8'));
    const record = {
      date: new Date().toISOString().slice(0, 10),
      command: 'npm run bench:compression -w bench',
      runtime: `onnxruntime-node ${version}, CPU`,
      machine: { cores: availableParallelism(), memoryGiB: Math.round(totalmem() / 2 ** 30), loadAverage: loadavg()[0] },
      rounds,
      picture: { tokens, width, hiddenStates: states.length, kept },
      results,
      memoryBeyondTheModel: memory,
      bytesAPicture: bytes,
    };
    mkdirSync(join(root, 'bench/results'), { recursive: true });
    writeFileSync(join(root, 'bench/results/compression.json'), `${JSON.stringify(record, null, 2)}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
