/** So few that reading heads first makes no difference. */
const fewRows = 512;
/** Reading heads is worth it as long as they leave a smaller share of rows than this: a head costs a third of a row. */
const worthwhileShare = 0.6;
/** Of so many searches one tries heads again where they did not help. */
const trials = 64;

/** What decides how much the heads of rows rule out, beside the data. */
export interface SearchSort {
  /** Values compared. */
  readonly dimensions: number;
  /** Rows scanned, and how many of them are wanted. */
  readonly count: number;
  readonly wanted: number;
}

/** The same for searches that are alike within a factor of two. */
const nameOf = ({ dimensions, count, wanted }: SearchSort) => `${dimensions} ${Math.clz32(count)} ${Math.clz32(wanted)}`;

/** What the searches of a space have taught: for each sort of them, whether the heads of rows rule out enough to be read first. */
export class SearchSorts {
  /** The share of rows that heads left of late, and how many searches did without them since. */
  readonly #left = new Map<string, { share: number; searches: number }>();

  /** @returns whether to read the heads of rows first: heads rule out little where few rows are like the query, or many are wanted. */
  readsHeads(sort: SearchSort): boolean {
    if (sort.count < fewRows) return false;
    const left = this.#left.get(nameOf(sort));
    return !left || left.share < worthwhileShare || ++left.searches % trials === 0;
  }

  /** Learns from a search that read heads how many rows they did not rule out: one such search among good ones changes nothing. */
  learn(sort: SearchSort, passed: number): void {
    const left = this.#left.get(nameOf(sort)) ?? { share: 0, searches: 0 };
    left.share += (passed / sort.count - left.share) / 8;
    this.#left.set(nameOf(sort), left);
  }
}
