import type { Bits } from './bits.ts';
import { Uint32List } from './uint32-list.ts';

/** The items that have a value, ascending. A value that one item has costs a number and no list, so a field with a value for each item stays cheap. */
export type Posting = number | Uint32List;

export const sizeOf = (posting: Posting) => (typeof posting === 'number' ? 1 : posting.length);

export const has = (posting: Posting, ordinal: number) => (typeof posting === 'number' ? posting === ordinal : posting.hasSorted(ordinal));

/** @returns the posting with a larger ordinal at its end. */
export function extended(posting: Posting | undefined, ordinal: number): Posting {
  if (posting === undefined) return ordinal;
  const list = typeof posting === 'number' ? Uint32List.of(posting) : posting;
  list.push(ordinal);
  return list;
}

export function addTo(bits: Bits, posting: Posting): void {
  if (typeof posting === 'number') bits.add(posting);
  else for (let index = 0; index < posting.length; index++) bits.add(posting.at(index));
}

/** @returns whether one of the posting is in the set. */
export function isIn(bits: Bits, posting: Posting): boolean {
  return typeof posting === 'number' ? bits.has(posting) : posting.view().some((ordinal) => bits.has(ordinal));
}

/** How many of the posting are in the set. */
export function countIn(bits: Bits, posting: Posting): number {
  if (typeof posting === 'number') return bits.has(posting) ? 1 : 0;
  let count = 0;
  for (let index = 0; index < posting.length; index++) if (bits.has(posting.at(index))) count++;
  return count;
}

/**
 * @param ordinals for each old ordinal the new one, ascending, or -1 when the item is gone.
 * @returns a posting with the new ordinals, and nothing when none is left. The old one stays, since a search may still read it.
 */
export function renumbered(posting: Posting, ordinals: Int32Array): Posting | undefined {
  if (typeof posting === 'number') return ordinals[posting] < 0 ? undefined : ordinals[posting];
  const left = new Uint32List(posting.length);
  for (let index = 0; index < posting.length; index++) {
    const ordinal = ordinals[posting.at(index)];
    if (ordinal >= 0) left.push(ordinal);
  }
  return left.length === 0 ? undefined : left;
}
