import type { Space } from '../collection/spaces.ts';
import { type Kind, kinds as allKinds } from '../index/vector-index.ts';

/** What a scan is asked for. */
export interface ScanWish {
  readonly space?: string;
  /** All but `ocr` when empty. */
  readonly kinds: readonly string[];
}

/** Vectors that are compared with each other: of one kind in one space. */
export interface ScanUnit {
  readonly space: string;
  readonly kind: Kind;
  /** Kinds whose units come before in this space: a pair of them is found there already. */
  readonly before: readonly Kind[];
}

/** @returns the units in the order in which they are scanned; none when the spaces have no such parts. */
export function scanUnits(spaces: readonly Space[], { space, kinds }: ScanWish): ScanUnit[] {
  const wanted = allKinds.filter((kind) => (kinds.length === 0 ? kind !== 'ocr' : kinds.includes(kind)));
  return spaces
    .filter(({ name }) => space === undefined || name === space)
    .flatMap((each) => {
      const there = wanted.filter((kind) => each.kinds.includes(kind));
      return there.map((kind, index) => ({ space: each.name, kind, before: there.slice(0, index) }));
    });
}

/** FNV-1a, 32 bits: spreads ids evenly, and the same in every process. */
export function idHash(id: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
