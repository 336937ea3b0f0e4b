import type { Bits } from './bits.ts';
import type { Posting } from './posting.ts';
import { Uint32List } from './uint32-list.ts';
import type { AttributeValue, Range } from './vector-index.ts';

/** Numbers of a field with their items, ascending by item: read through for a range. */
export class FieldNumbers {
  readonly #ordinals = new Uint32List();
  #values = new Float64Array(4);

  static from(postings: ReadonlyMap<AttributeValue, Posting>): FieldNumbers {
    // Sorted by counting: a field may have a number for each of very many items.
    const starts = new Uint32List();
    const each = (use: (ordinal: number, value: number) => void) => {
      for (const [value, posting] of postings) {
        if (typeof value !== 'number') continue;
        if (typeof posting === 'number') use(posting, value);
        else for (let index = 0; index < posting.length; index++) use(posting.at(index), value);
      }
    };
    each((ordinal) => {
      while (starts.length <= ordinal + 1) starts.push(0);
      starts.set(ordinal + 1, starts.at(ordinal + 1) + 1);
    });
    for (let index = 1; index < starts.length; index++) starts.set(index, starts.at(index) + starts.at(index - 1));

    const numbers = new FieldNumbers();
    const length = starts.length === 0 ? 0 : starts.at(starts.length - 1);
    numbers.#values = new Float64Array(Math.max(4, length));
    for (let index = 0; index < length; index++) numbers.#ordinals.push(0);
    each((ordinal, value) => {
      const index = starts.at(ordinal);
      starts.set(ordinal, index + 1);
      numbers.#ordinals.set(index, ordinal);
      numbers.#values[index] = value;
    });
    return numbers;
  }

  get length(): number {
    return this.#ordinals.length;
  }

  push(ordinal: number, value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Float64Array(2 * this.length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length] = value;
    this.#ordinals.push(ordinal);
  }

  addWithin(range: Range, bits: Bits): void {
    const [low, high] = ends(range);
    const ordinals = this.#ordinals.view();
    const values = this.#values;
    // Without a branch, which a wide range would make guess wrong again and again.
    for (let index = 0; index < ordinals.length; index++) bits.or(ordinals[index], Number(values[index] >= low) & Number(values[index] <= high));
  }

  /** @returns whether one of the item's numbers is within the range. */
  hasWithin(range: Range, ordinal: number): boolean {
    const [low, high] = ends(range);
    for (let index = this.#ordinals.firstAtLeast(ordinal); index < this.length && this.#ordinals.at(index) === ordinal; index++) {
      if (this.#values[index] >= low && this.#values[index] <= high) return true;
    }
    return false;
  }

  /** @param ordinals for each old ordinal the new one, ascending, or -1. */
  renumbered(ordinals: Int32Array): FieldNumbers {
    const numbers = new FieldNumbers();
    for (let index = 0; index < this.length; index++) {
      const ordinal = ordinals[this.#ordinals.at(index)];
      if (ordinal >= 0) numbers.push(ordinal, this.#values[index]);
    }
    return numbers;
  }
}

/** The least and the greatest number of a range. */
function ends({ gt = -Infinity, gte = -Infinity, lt = Infinity, lte = Infinity }: Range): [number, number] {
  return [gt >= gte && gt > -Infinity ? above(gt) : gte, lt <= lte && lt < Infinity ? -above(-lt) : lte];
}

/** The next number. */
function above(value: number): number {
  if (value === Infinity) return NaN; // nothing is greater
  const bits = new BigInt64Array(1);
  const number = new Float64Array(bits.buffer);
  number[0] = value + 0; // of the two zeros the positive one
  bits[0] += number[0] >= 0 ? 1n : -1n;
  return number[0];
}
