import type { Kind } from '../index/vector-index.ts';

/** The ten tasks of UniNote (arXiv:2605.29287): what a query is compared with. */

/** A kind of query and the kind of parts that it looks for. */
export interface Task {
  readonly query: Kind;
  readonly candidate: Kind;
}

const table = {
  'image-to-text': { query: 'image', candidate: 'text' },
  'text-to-image': { query: 'text', candidate: 'image' },
  'image-to-note': { query: 'image', candidate: 'note' },
  'text-to-note': { query: 'text', candidate: 'note' },
  'note-to-image': { query: 'note', candidate: 'image' },
  'note-to-text': { query: 'note', candidate: 'text' },
  'image-to-ocr': { query: 'image', candidate: 'ocr' },
  'ocr-to-image': { query: 'ocr', candidate: 'image' },
  'ocr-to-note': { query: 'ocr', candidate: 'note' },
  'note-to-note': { query: 'note', candidate: 'note' },
} as const satisfies Record<string, Task>;

export type TaskName = keyof typeof table;

/** By name. */
export const tasks: Readonly<Record<TaskName, Task>> = table;

/** Numbers below which a prefix tells texts in pictures apart badly: R@1 .28 at 64 against .60 at 512 in the paper's figure 4. */
export const leastOcrDimensions = 512;

/** Fewest numbers of a space's vectors with which a search may compare. */
export function leastDimensions(dimension: number, isOcr: boolean): number {
  return isOcr ? Math.min(leastOcrDimensions, dimension) : 1;
}
