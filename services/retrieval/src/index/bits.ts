/** A set of integers from 0 to `last`, a bit each. */
export class Bits {
  readonly #words: Uint32Array;

  constructor(private readonly last: number) {
    this.#words = new Uint32Array((last >>> 5) + 1);
  }

  add(value: number): void {
    this.#words[value >>> 5] |= 1 << (value & 31);
  }

  has(value: number): boolean {
    return value <= this.last && (this.#words[value >>> 5] & (1 << (value & 31))) !== 0;
  }

  /** @param room at least as many numbers as are in the set. @returns the start of `room`, filled in ascending order. */
  ascending(room: Uint32Array): Uint32Array {
    let count = 0;
    for (let index = 0; index < this.#words.length; index++) {
      for (let word = this.#words[index]; word !== 0; word &= word - 1) room[count++] = index * 32 + 31 - Math.clz32(word & -word);
    }
    return room.subarray(0, count);
  }
}
