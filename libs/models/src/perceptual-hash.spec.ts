import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';

import { hashDistance, perceptualHash } from './perceptual-hash.ts';

interface Row {
  readonly seed: number;
  readonly width: number;
  readonly height: number;
  readonly sha256: string;
  readonly hash: string;
  readonly quality: number;
}

/** By Meta's own code: tools/pdq-fixture.py. */
const rows: Row[] = JSON.parse(await readFile(new URL('./fixture/pdq.json', import.meta.url), 'utf8'));

/** The same integers as `picture` in tools/pdq-fixture.py: a slope and twelve rectangles over it. */
function picture({ seed, width, height }: Pick<Row, 'seed' | 'width' | 'height'>): Uint8Array {
  let state = seed;
  const draw = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state * below) / 2 ** 32);
  };
  const slopes = Array.from({ length: 6 }, () => draw(256));
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) pixels[(y * width + x) * 3 + c] = Math.floor((slopes[2 * c] * x) / width) + Math.floor((slopes[2 * c + 1] * y) / height);
    }
  }
  for (let rectangle = 0; rectangle < 12; rectangle++) {
    const [left, top] = [draw(width), draw(height)];
    const [right, bottom] = [left + 1 + draw(width), top + 1 + draw(height)];
    const colour = [draw(256), draw(256), draw(256)];
    for (let y = top; y < Math.min(bottom, height); y++) {
      for (let x = left; x < Math.min(right, width); x++) {
        for (let c = 0; c < 3; c++) pixels[(y * width + x) * 3 + c] = Math.floor((pixels[(y * width + x) * 3 + c] + 3 * colour[c]) / 4);
      }
    }
  }
  return pixels;
}

const hex = (hash: Uint8Array) => Buffer.from(hash).toString('hex');

describe.each(rows)('picture $seed of $width × $height', (row) => {
  const pixels = picture(row);

  it('is the one that the other implementation hashed', () => expect(createHash('sha256').update(pixels).digest('hex')).toBe(row.sha256));

  it('has its quality, and at most 10 other bits where that is 80 or more', () => {
    const { hash, quality } = perceptualHash(pixels, row.width, row.height);
    expect(Math.abs(quality - row.quality)).toBeLessThanOrEqual(1);
    const distance = hashDistance(hash, Buffer.from(row.hash, 'hex'));
    if (row.quality >= 80) expect(distance, `${hex(hash)}\n${row.hash}`).toBeLessThanOrEqual(10);
  });
});

it('compares enough pictures of high quality', () => expect(rows.filter(({ quality }) => quality >= 80).length).toBeGreaterThanOrEqual(5));

it('sees nothing in a plain picture, and little change in a lighter one', () => {
  expect(perceptualHash(new Uint8Array(100 * 50 * 3).fill(90), 100, 50).quality).toBe(0);
  const [row] = rows;
  const pixels = picture(row);
  const { hash } = perceptualHash(pixels, row.width, row.height);
  const lighter = perceptualHash(pixels.map((value) => 20 + Math.round(value * 0.85)), row.width, row.height);
  expect(hashDistance(hash, lighter.hash)).toBeLessThanOrEqual(10);
  const other = perceptualHash(picture({ ...row, seed: 99 }), row.width, row.height);
  expect(hashDistance(hash, other.hash)).toBeGreaterThan(60);
});

it('half of the bits are set', () => {
  const { hash } = perceptualHash(picture(rows[1]), rows[1].width, rows[1].height);
  expect(hashDistance(hash, new Uint8Array(32))).toBe(128);
});

it.each([[0, 0], [2, 2]])('refuses %d × %d for other pixels', (width, height) => expect(() => perceptualHash(new Uint8Array(3), width, height)).toThrow(RangeError));
