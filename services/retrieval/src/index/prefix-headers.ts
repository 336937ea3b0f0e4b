import { type Arena, pageBytes } from './arena.ts';
import { coarseBytes, fineBytes, RowHeaders } from './row-headers.ts';

/** The headers of rows for one prefix of their vectors, in pages of the arena of their own. */
export class PrefixHeaders {
  readonly headers: RowHeaders;
  readonly #pages: number[] = [];
  #room = 0;

  constructor(
    private readonly arena: Arena,
    readonly dimensions: number,
    rowsPerBlock: number,
  ) {
    const bytes = Math.ceil((rowsPerBlock * (coarseBytes + fineBytes)) / 16) * 16;
    this.headers = new RowHeaders(arena, rowsPerBlock, () => {
      if (this.#room < bytes) {
        this.#pages.push(arena.allocate(pageBytes));
        this.#room = pageBytes;
      }
      const coarse = this.#pages.at(-1)! + pageBytes - this.#room;
      this.#room -= bytes;
      return { coarse, fine: coarse + rowsPerBlock * coarseBytes };
    });
  }

  get bytes(): number {
    return this.#pages.length * pageBytes;
  }

  /** Frees the pages. No thread may read them any more. */
  free(): void {
    for (const page of this.#pages.splice(0)) this.arena.free(page, pageBytes);
  }
}
