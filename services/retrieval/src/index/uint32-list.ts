/** A growing list of unsigned 32-bit integers. */
export class Uint32List {
  #values: Uint32Array;
  #length = 0;

  constructor(capacity = 4) {
    this.#values = new Uint32Array(capacity);
  }

  static of(...values: number[]): Uint32List {
    const list = new Uint32List(values.length);
    for (const value of values) list.push(value);
    return list;
  }

  get length(): number {
    return this.#length;
  }

  at(index: number): number {
    return this.#values[index];
  }

  set(index: number, value: number): void {
    this.#values[index] = value;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Uint32Array(Math.max(4, this.#length * 2));
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length++] = value;
  }

  /** The values so far; a view, valid until the next push. */
  view(): Uint32Array {
    return this.#values.subarray(0, this.#length);
  }

  /** @returns where an ascending list has the first value of at least `value`, or its length. */
  firstAtLeast(value: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#values[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @returns whether an ascending list has the value. */
  hasSorted(value: number): boolean {
    const index = this.firstAtLeast(value);
    return index < this.#length && this.#values[index] === value;
  }
}
