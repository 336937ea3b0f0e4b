import { Bits } from './bits.ts';
import { FieldNumbers } from './field-numbers.ts';
import { addTo, extended, isIn, type Posting, renumbered } from './posting.ts';
import type { AttributeValue } from './vector-index.ts';

/**
 * The values of one field: from each value to the items that have it. What some questions need besides is made when it is
 * first asked for, and kept up from then on.
 */
export class FieldValues {
  readonly #postings = new Map<AttributeValue, Posting>();
  #numbers: FieldNumbers | undefined;
  #existing: Bits | undefined;

  /** The values with the items that have them. */
  get postings(): ReadonlyMap<AttributeValue, Posting> {
    return this.#postings;
  }

  add(ordinal: number, value: AttributeValue): void {
    this.#postings.set(value, extended(this.#postings.get(value), ordinal));
    if (typeof value === 'number') this.#numbers?.push(ordinal, value);
    this.#existing?.add(ordinal);
  }

  /** @returns whether one of these items has a value. */
  isIn(among: Bits): boolean {
    for (const posting of this.#postings.values()) if (isIn(among, posting)) return true;
    return false;
  }

  /** The items that have a value. */
  get existing(): Bits {
    if (!this.#existing) {
      this.#existing = new Bits();
      for (const posting of this.#postings.values()) addTo(this.#existing, posting);
    }
    return this.#existing;
  }

  /** The numbers with their items. */
  get numbers(): FieldNumbers {
    this.#numbers ??= FieldNumbers.from(this.#postings);
    return this.#numbers;
  }

  /** @param ordinals for each old ordinal the new one, ascending, or -1. @returns whether a value is left. */
  renumber(ordinals: Int32Array): boolean {
    this.#numbers = this.#numbers?.renumbered(ordinals);
    this.#existing = undefined;
    for (const [value, posting] of this.#postings) {
      const left = renumbered(posting, ordinals);
      if (left === undefined) this.#postings.delete(value);
      else if (left !== posting) this.#postings.set(value, left);
    }
    return this.#postings.size > 0;
  }
}
