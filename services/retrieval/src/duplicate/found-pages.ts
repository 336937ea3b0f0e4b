import { tooManyDuplicates } from './duplicate.errors.ts';
import type { FoundEvidence } from './evidence.ts';

/** Gathers what is found into pages of evidence, and stores those that are full; whoever finds more waits meanwhile. */
export class FoundPages<Found> {
  #waiting: Found[] = [];
  #evidence: FoundEvidence[] = [];
  #stored = 0;
  #working: Promise<void> | undefined;

  /** @param toEvidence undefined for what is none. @param limits pieces of a page, at most, and found before. */
  constructor(
    private readonly toEvidence: (found: Found) => Promise<FoundEvidence | undefined>,
    private readonly store: (page: readonly FoundEvidence[]) => Promise<void>,
    private readonly limits: { readonly page: number; readonly most: number; readonly before: number },
  ) {}

  add(found: Found): void {
    this.#waiting.push(found);
  }

  /** Ends when there is room for more. @throws Problem too-many-duplicates */
  async room(): Promise<void> {
    while (this.#waiting.length >= this.limits.page) await (this.#working ??= this.#work().finally(() => (this.#working = undefined)));
  }

  /** The last pieces, which are not stored yet, and how many are. @throws Problem too-many-duplicates */
  async rest(): Promise<{ readonly pieces: readonly FoundEvidence[]; readonly stored: number }> {
    await this.#work();
    return { pieces: this.#evidence, stored: this.#stored };
  }

  async #work(): Promise<void> {
    for (const found of this.#waiting.splice(0)) {
      const piece = await this.toEvidence(found);
      if (!piece) continue;
      if (this.limits.before + this.#stored + this.#evidence.push(piece) > this.limits.most) throw tooManyDuplicates(this.limits.most);
      if (this.#evidence.length < this.limits.page) continue;
      const page = this.#evidence;
      this.#evidence = [];
      await this.store(page);
      this.#stored += page.length;
    }
  }
}
