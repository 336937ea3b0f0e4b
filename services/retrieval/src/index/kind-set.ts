import { type Kind, kinds } from './vector-index.ts';

/** Some of the kinds as a number: bit i is `kinds[i]`. */
export type KindSet = number;

/** All kinds. */
export const anyKind: KindSet = (1 << kinds.length) - 1;

/** @throws RangeError when there is none, or one that is not known. */
export function kindSet(names: readonly Kind[]): KindSet {
  if (names.length === 0) throw new RangeError(`kinds: expected at least one of ${kinds.join(', ')}, got none.`);
  return names.reduce((set, name) => {
    const bit = kinds.indexOf(name);
    if (bit < 0) throw new RangeError(`kinds: expected ${kinds.join(', ')}, got ${name}.`);
    return set | (1 << bit);
  }, 0);
}

const namesOf = Array.from({ length: 1 << kinds.length }, (_, set) => Object.freeze(kinds.filter((_, bit) => set & (1 << bit))));

/** In the order of `kinds`. */
export const kindsOf = (set: KindSet): readonly Kind[] => namesOf[set];

/** Position in `kinds` of the first kind: what decides between rows of an item with one score and part. */
export const firstKind = (set: KindSet): number => 31 - Math.clz32(set & -set);
