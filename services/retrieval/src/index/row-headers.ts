import type { Arena } from './arena.ts';
import type { RowFigures } from './quantisation.ts';
import { Uint32List } from './uint32-list.ts';

export const coarseBytes = 16;
export const fineBytes = 8;

/** Addresses for the headers of one block of rows: coarse ones on a multiple of 16, fine ones of 8. */
export interface HeaderPlace {
  readonly coarse: number;
  readonly fine: number;
}

/**
 * The figures of rows in the arena, 24 bytes each: in coarse headers (scale, length of the head, length of the tail, sum of the
 * head) what the bound of the head reads, in fine headers (residual, sum) what else the bound of all values reads. The layout is
 * that of Coarse and Fine in ../../kernel/scan.ts.
 */
export class RowHeaders {
  /** Addresses of the headers of each block of rows, in order. */
  readonly coarse = new Uint32List();
  readonly fine = new Uint32List();
  #length = 0;

  constructor(
    private readonly arena: Arena,
    private readonly rowsPerBlock: number,
    private readonly placeNext: () => HeaderPlace,
  ) {}

  get length(): number {
    return this.#length;
  }

  /** Adds the next row; a dead one without figures. */
  push(figures?: RowFigures): void {
    const row = this.#open();
    if (!figures) return this.kill(row);
    const { float32, int32 } = this.arena;
    const coarse = this.#coarse(row);
    const fine = this.#fine(row);
    float32[coarse] = figures.scale;
    float32[coarse + 1] = figures.headNorm;
    float32[coarse + 2] = figures.tailNorm;
    int32[coarse + 3] = figures.headSum;
    float32[fine] = figures.residual;
    int32[fine + 1] = figures.sum;
  }

  /** Adds a copy of a row of others. */
  pushFrom(from: RowHeaders, row: number): void {
    const next = this.#open();
    const { uint32 } = this.arena;
    const coarse = from.#coarse(row);
    const fine = from.#fine(row);
    uint32.copyWithin(this.#coarse(next), coarse, coarse + coarseBytes / 4);
    uint32.copyWithin(this.#fine(next), fine, fine + fineBytes / 4);
  }

  /** Marks the row dead, also for threads that scan right now. */
  kill(row: number): void {
    this.arena.float32[this.#coarse(row) + 1] = -Infinity;
  }

  isDead(row: number): boolean {
    return this.arena.float32[this.#coarse(row) + 1] === -Infinity;
  }

  scale(row: number): number {
    return this.arena.float32[this.#coarse(row)];
  }

  #open(): number {
    if (this.#length === this.coarse.length * this.rowsPerBlock) {
      const { coarse, fine } = this.placeNext();
      this.coarse.push(coarse);
      this.fine.push(fine);
    }
    return this.#length++;
  }

  /** Positions among the arena's numbers of 4 bytes. */
  #coarse(row: number): number {
    return (this.coarse.at(Math.floor(row / this.rowsPerBlock)) + (row % this.rowsPerBlock) * coarseBytes) >>> 2;
  }

  #fine(row: number): number {
    return (this.fine.at(Math.floor(row / this.rowsPerBlock)) + (row % this.rowsPerBlock) * fineBytes) >>> 2;
  }
}
