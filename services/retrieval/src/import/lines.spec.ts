import { expect, it } from 'vitest';
import { type Line, lines } from './lines.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);

async function* inPieces(bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

async function read(bytes: Uint8Array, { size = bytes.length || 1, maximumBytes = 100, after }: { size?: number; maximumBytes?: number; after?: { number: number; end: number } } = {}): Promise<Line[]> {
  const found: Line[] = [];
  for await (const line of lines(inPieces(bytes, size), { maximumBytes, after })) found.push(line);
  return found;
}

const file = bytesOf('{"a":1}\n\nzwei ü\r\nlast');

it.each([1, 2, 3, 7, 100])('cuts in pieces of %d bytes', async (size) => {
  expect(await read(file, { size })).toEqual([
    { number: 1, end: 8, text: '{"a":1}' },
    { number: 3, end: 18, text: 'zwei ü' },
    { number: 4, end: 22, text: 'last' },
  ]);
});

it.each([1, 5, 100])('goes on after any line, in pieces of %d bytes', async (size) => {
  const all = await read(file, { size });
  for (const [index, { number, end }] of all.entries()) expect(await read(file, { size, after: { number, end } })).toEqual(all.slice(index + 1));
});

it('passes over a line that is too long, and keeps no more of it than is allowed', async () => {
  const found = await read(bytesOf(`${'x'.repeat(50)}\nshort\n${'y'.repeat(11)}`), { size: 4, maximumBytes: 10 });
  expect(found).toEqual([
    { number: 1, end: 51, refusal: 'is longer than 10 bytes' },
    { number: 2, end: 57, text: 'short' },
    { number: 3, end: 68, refusal: 'is longer than 10 bytes' },
  ]);
});

it('refuses a line that is not UTF-8 and takes the next', async () => {
  const found = await read(new Uint8Array([0xff, 0x0a, 0x61, 0x0a]));
  expect(found).toEqual([
    { number: 1, end: 2, refusal: 'is not UTF-8' },
    { number: 2, end: 4, text: 'a' },
  ]);
});

it('has nothing to say of an empty file', async () => expect(await read(new Uint8Array())).toEqual([]));
