import { seededRandom } from '@touchstone/runtime/random';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FloatVectors } from './float-vectors.ts';
import { unitVector } from './random-vectors.ts';
import { VectorFile } from './vectors.file.ts';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'vectors-'))));
afterEach(() => rm(folder, { recursive: true }));

it.each([1, 3, 256, 20_000])('gives vectors of %d numbers back as they were, also where others had been', async (dimension) => {
  const seed = 31;
  const random = seededRandom(seed);
  const file = new VectorFile(join(folder, 'new'));
  expect(await readdir(join(folder, 'new'))).toEqual([]);
  const store = new FloatVectors(dimension, file);
  const other = new FloatVectors(dimension, file);
  const known = new Map<number, Float32Array>();
  for (let round = 0; round < 300; round++) {
    const [slot] = known.keys();
    if (round % 3 === 2) {
      store.remove(slot);
      known.delete(slot);
    } else {
      const vector = unitVector(dimension, random);
      known.set(store.add(vector), vector);
      other.add(unitVector(dimension, random));
    }
  }
  for (const [slot, vector] of known) expect(store.get(slot), `seed ${seed}`).toEqual(vector);
  expect(store.bytes).toBe(0);
  file.close();
});

it('uses room again that a store has left, and not before its last user did', () => {
  const file = new VectorFile(folder);
  const store = new FloatVectors(16_384, file);
  store.use();
  store.use();
  store.add(new Float32Array(16_384));
  store.leave();
  expect(file.allocate(65_536)).toBe(65_536);
  store.leave();
  expect(file.allocate(65_536)).toBe(0);
  file.close();
});

it('fails a write on a full disk, keeps what was there, and goes on when there is room', { timeout: 60_000 }, async () => {
  const script = `
    const at = (name) => import(new URL(name, ${JSON.stringify(import.meta.url)}).href);
    const { Scanner } = await at('./scanner.ts');
    const { CollectionIndex } = await at('./collection-index.ts');
    const scanner = await Scanner.start({ workers: 1, vectorFolder: ${JSON.stringify(folder)} });
    const index = new CollectionIndex(scanner, new Map([['text', { dimension: 256 }]]));
    const vectorOf = (number) => Float32Array.from({ length: 256 }, (_, position) => (position === number % 256 ? 1 : position === number >>> 8 ? 0.5 : 0.001));
    const item = (number, id = 'i' + number) => ({ id, fields: { number }, parts: [0, 1].map((part) => ({ space: 'text', kinds: ['text'], part, vector: vectorOf(2 * number + part) })) });
    let failure;
    let count = 0;
    for (; !failure; count++) try { index.upsert(item(count)); } catch (error) { failure = error; }
    const { size } = index;
    let again = 'written';
    try { index.upsert(item(7, 'i3')); } catch (error) { again = error.code; }
    const find = async (number) => (await index.search({ space: 'text', vector: vectorOf(2 * number), limit: 1 })).hits[0].id;
    const found = [await find(3), index.has('i' + (count - 1))];
    index.delete('i0');
    index.upsert(item(9, 'late'));
    console.log(JSON.stringify({ code: failure.code, isEach: size === count - 1, again, found, vectors: index.vectors('i3', 'text').map((vector) => vector.indexOf(1)), late: index.vectors('late', 'text').map((vector) => vector.indexOf(1)) }));
    index.close();
    await scanner.close();`;
  await writeFile(join(folder, 'script.mjs'), script);
  // The limit of a file's size stands for a disk that is full: 512 or 1,024 KiB.
  const command = `ulimit -f 1024; exec ${[process.execPath, ...process.execArgv, join(folder, 'script.mjs')].map((word) => `'${word}'`).join(' ')}`;
  const { stdout } = await promisify(execFile)('sh', ['-c', command]);
  expect(JSON.parse(stdout)).toEqual({ code: 'EFBIG', isEach: true, again: 'EFBIG', found: ['i3', false], vectors: [6, 7], late: [18, 19] });
});
