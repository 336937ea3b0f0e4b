import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connectModels } from '@touchstone/models';
import { seededRandom } from '@touchstone/runtime/random';
import { ModelHost } from '../../apps/touchstone/src/serve/model-host.ts';
import { modelsDir } from '@touchstone/testing';
import { dimension, workload } from '../index/synthetic.ts';
import { limit, type Workload } from './engine.ts';

export const nameOfSynthetic = (count: number): string => `synthetic ${count.toLocaleString('en')} x ${dimension}`;

export function synthetic(count: number, queryCount: number, seed: number): Workload {
  return { name: nameOfSynthetic(count), dimension, ...workload(count, queryCount, seed) };
}

/**
 * Every text of the datasets in `TOUCHSTONE_DATASETS` (questions, answers, instructions, and the sentences of each), as the platform's
 * own text model embeds it. Queries are texts that are not among the rows. Embedded once, then kept in the user's cache.
 *
 * @throws Error when there are no datasets.
 */
export async function realTexts(queryCount: number, atMost: number): Promise<Workload> {
  const folder = process.env.TOUCHSTONE_DATASETS;
  if (!folder) throw new Error('Real texts need TOUCHSTONE_DATASETS, the folder of the datasets.');
  const texts = shuffled(await readTexts(folder));
  const key = createHash('sha256').update(texts.join('\u0000')).digest('hex').slice(0, 16);
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'touchstone-ci', 'bench');
  const file = join(cache, `texts-${key}.f32`);
  if (!existsSync(file)) {
    await mkdir(cache, { recursive: true });
    const bytes = Buffer.concat((await embed(texts)).map((vector) => Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)));
    await writeFile(`${file}.part`, bytes);
    await rename(`${file}.part`, file);
  }
  const bytes = await readFile(file);
  const width = bytes.byteLength / 4 / texts.length;
  const all = new Float32Array(new Uint8Array(bytes).buffer);
  const vectors = texts.map((_, at) => all.subarray(at * width, (at + 1) * width));
  const rows = Math.min(atMost, texts.length - queryCount);
  return { name: `real texts ${rows.toLocaleString('en')} x ${width}`, dimension: width, vectors: vectors.slice(0, rows), queries: vectors.slice(-queryCount) };
}

/** The true best, by brute force in double precision. */
export function truth({ vectors, queries, dimension }: Workload, query: number, share: number | undefined): number[] {
  const wanted = queries[query];
  const best: { row: number; score: number }[] = [];
  for (let row = 0; row < vectors.length; row += share ?? 1) {
    const vector = vectors[row];
    let score = 0;
    for (let at = 0; at < dimension; at++) score += wanted[at] * vector[at];
    if (best.length === limit && score <= best[limit - 1].score) continue;
    const position = best.findIndex((other) => other.score < score);
    best.splice(position < 0 ? best.length : position, 0, { row, score });
    if (best.length > limit) best.pop();
  }
  return best.map(({ row }) => row);
}

async function embed(texts: readonly string[]): Promise<Float32Array[]> {
  const host = await ModelHost.start({ modelsDir, url: undefined });
  const models = connectModels({ url: host.url, repository: host.repository });
  try {
    while (!(await models.ready()).some(({ name, isReady }) => name === 'embed-text' && isReady)) await delay(500);
    const vectors: Float32Array[] = [];
    for (let start = 0; start < texts.length; start += 64) {
      vectors.push(...(await models.text.embed(texts.slice(start, start + 64))));
      if (start % 6400 === 0) console.error(`embedding real texts, once: ${start} of ${texts.length}`);
    }
    return vectors;
  } finally {
    await models.close();
    await host.stop();
  }
}

async function readTexts(folder: string): Promise<string[]> {
  const lines = async (path: string) => (await readFile(join(folder, path), 'utf8')).trim().split('\n').map((line) => JSON.parse(line) as unknown);
  const whole = async (path: string) => JSON.parse(await readFile(join(folder, path), 'utf8')) as unknown;
  const sources = [lines('gsm8k/test.jsonl'), lines('gsm8k/example_model_solutions.jsonl'), whole('llmbar/natural.json'), whole('llmbar/adversarial-neighbor.json'), whole('pandalm/testset-v1.json')];
  const found = new Set<string>();
  const walk = (value: unknown): void => {
    if (typeof value === 'string') {
      for (const text of [value, ...value.split(/(?<=[.!?])\s+|\n+/)]) if (text.trim().length >= 20) found.add(text.trim());
    } else if (typeof value === 'object' && value !== null) Object.values(value).forEach(walk);
  };
  for (const source of sources) walk(await source);
  return [...found];
}

function shuffled(texts: string[]): string[] {
  const random = seededRandom(1);
  for (let at = texts.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [texts[at], texts[other]] = [texts[other], texts[at]];
  }
  return texts;
}
