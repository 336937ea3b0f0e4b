import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { CollectionIndex } from './collection-index.ts';
import { quantiseQuery } from './quantisation.ts';
import { Scanner } from './scanner.ts';

const vector = Float32Array.of(1, 0);
const query = { space: 'text', vector, limit: 1 };

function withOneItem(scanner: Scanner): CollectionIndex {
  const index = new CollectionIndex(scanner, new Map([['text', { dimension: 2 }]]));
  index.upsert({ id: 'one', fields: {}, parts: [{ space: 'text', kinds: ['text'], part: 0, vector }] });
  return index;
}

it('fails the searches of a thread that dies, replaces it, and frees their memory', async () => {
  const scanner = await Scanner.start({ workers: 1, ownBytes: 0 });
  const index = withOneItem(scanner);
  const before = scanner.arena.usedBytes;
  const beyond = Uint32Array.of(0xffff0000);
  // A block beyond the memory: the kernel traps, which ends the thread.
  const deadly = scanner.scan({ blocks: beyond, coarse: beyond, fine: beyond, rowsPerBlock: 1, headStride: 16, tailStride: 0, tails: 16, count: 1, query: quantiseQuery(vector), capacity: 1, wanted: 1, readsHeads: false, floor: -Infinity });
  const behind = index.search(query);
  await expect(deadly).rejects.toThrow('A scanning thread of the vector index ended.');
  await expect(behind).rejects.toThrow('A scanning thread of the vector index ended.');
  await expect.poll(() => scanner.workers).toBe(1);
  expect((await index.search(query)).hits).toEqual([{ id: 'one', score: 1, kinds: ['text'], part: 0, group: 'one' }]);
  expect(scanner.arena.usedBytes).toBe(before);
  await scanner.close();
});

it('scans what is quick at once, without a thread, and fails nothing else when that fails', async () => {
  const scanner = await Scanner.start({ workers: 1 });
  const index = withOneItem(scanner);
  const before = scanner.arena.usedBytes;
  const beyond = Uint32Array.of(0xffff0000);
  const scan = { coarse: beyond, fine: beyond, rowsPerBlock: 1, headStride: 16, tailStride: 0, tails: 16, count: 1, query: quantiseQuery(vector), capacity: 1, wanted: 1, readsHeads: false, floor: -Infinity };
  await expect(scanner.scan({ ...scan, blocks: beyond })).rejects.toThrow(WebAssembly.RuntimeError);
  const order: string[] = [];
  const turn = new Promise<void>((resolve) => setImmediate(() => resolve(void order.push('a turn of the event loop'))));
  await index.search(query).then(({ hits }) => order.push(hits[0].id));
  await turn;
  expect(order).toEqual(['one', 'a turn of the event loop']);
  expect(scanner.arena.usedBytes).toBe(before);
  await scanner.close();
});

it('takes more searches at once than a mailbox holds', async () => {
  const scanner = await Scanner.start({ workers: 1, ownBytes: 0 });
  const index = withOneItem(scanner);
  const answers = await Promise.all(Array.from({ length: 2000 }, () => index.search(query)));
  expect(answers.every(({ hits }) => hits[0].id === 'one')).toBe(true);
  await scanner.close();
});

it('frees everything on close and fails what is under way or comes later', async () => {
  const scanner = await Scanner.start({ workers: 2, ownBytes: 0 });
  const index = withOneItem(scanner);
  const under = index.search(query);
  const failed = expect(under).rejects.toThrow('The scanner is closed.');
  await scanner.close();
  await failed;
  await expect(index.search(query)).rejects.toThrow('The scanner is closed.');
  index.close();
  expect(scanner.arena.usedBytes).toBe(0);
});

it.each([0, -1, 1.5, NaN])('refuses %d threads', async (workers) => {
  await expect(Scanner.start({ workers })).rejects.toThrow(RangeError);
});

it.each([
  ['after close', 'await scanner.close();'],
  ['without close, and not before its searches are answered', ''],
])('lets the process end %s', async (_, close) => {
  const script = `
    const { Scanner } = await import(${JSON.stringify(new URL('./scanner.ts', import.meta.url).href)});
    const { CollectionIndex } = await import(${JSON.stringify(new URL('./collection-index.ts', import.meta.url).href)});
    const scanner = await Scanner.start({ workers: 2, ownBytes: 0 });
    const index = new CollectionIndex(scanner, new Map([['text', { dimension: 2 }]]));
    index.upsert({ id: 'one', fields: {}, parts: [{ space: 'text', kinds: ['text'], part: 0, vector: Float32Array.of(1, 0) }] });
    const { hits } = await index.search({ space: 'text', vector: Float32Array.of(1, 0), limit: 1 });
    console.log(hits[0].id);
    ${close}`;
  const folder = await mkdtemp(join(tmpdir(), 'scanner-'));
  try {
    await writeFile(join(folder, 'script.mjs'), script);
    const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, join(folder, 'script.mjs')], { timeout: 20_000 });
    expect(stdout).toBe('one\n');
  } finally {
    await rm(folder, { recursive: true });
  }
});
