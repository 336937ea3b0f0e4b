/** Measures that treat every method alike, those that merge tokens or make the picture smaller too: only kept rows and their places are looked at. */
import { width } from './encoder.ts';
import { balancedAccuracy, comparable, cosines, largest, mean } from './measures.ts';
import type { Kept } from './methods.ts';

/** A patch or kept token belongs to the object when so much of it does. */
export const leastCover = 0.5;

/** The full picture: rows of all tokens, comparable, and their cosines with each other. */
export interface Seen {
  readonly rows: Float32Array;
  readonly alike: Float32Array;
  readonly center: Float64Array;
}

export function seenWhole(all: Float32Array, center: Float64Array): Seen {
  const rows = comparable(all, width, center);
  return { rows, alike: cosines(rows, rows, width), center };
}

/**
 * How well kept tokens stand for all: each token of the full picture looks for the kept one that is most alike.
 *
 * @returns its place among the kept, and the cosine.
 */
export function likeness({ rows, alike, center }: Seen, { indices, isMerged, rows: kept }: Kept): { nearest: Uint32Array; cosine: Float32Array } {
  const count = kept.length / width;
  const table = indices && !isMerged ? columns(alike, rows.length / width, indices) : cosines(rows, comparable(kept, width, center), width);
  const { place, value } = largest(table, count);
  return { nearest: place, cosine: value };
}

function columns(table: Float32Array, size: number, chosen: Uint32Array): Float32Array {
  const out = new Float32Array(size * chosen.length);
  for (let row = 0, at = 0; row < size; row++) for (const column of chosen) out[at++] = table[row * size + column];
  return out;
}

/** Whether object and ground can be told apart by the kept tokens: each token takes the side of the kept one most alike. */
export function sidesTold(nearest: Uint32Array, kept: Kept, mask: Uint8Array, isObject: readonly boolean[]): number {
  const covered = kept.covered(mask);
  return balancedAccuracy(Array.from(nearest, (place) => covered[place] >= leastCover), isObject);
}

/**
 * Which of several known things the kept tokens show: of each thing's tokens the best cosine with any kept one, averaged.
 * The late interaction of ColBERT, arXiv:2004.12832.
 *
 * @param things rows of each thing, comparable.
 * @returns the place of the best thing.
 */
export function named(things: readonly Float32Array[], rows: Float32Array): number {
  const scores = things.map((thing) => mean(largest(cosines(thing, rows, width), rows.length / width).value));
  return scores.indexOf(Math.max(...scores));
}

/** The mean of comparable rows of many pictures: what all tokens of an encoder have in common tells nothing. */
export function centerOf(pictures: readonly Float32Array[]): Float64Array {
  const center = new Float64Array(width);
  let count = 0;
  for (const rows of pictures) {
    const own = comparable(rows, width);
    for (let at = 0; at < own.length; at++) center[at % width] += own[at];
    count += own.length / width;
  }
  return center.map((sum) => sum / count);
}
