/** A growing set of small integers, a bit each. */
export class Bits {
  #words: Uint32Array;

  /** @param size room for 0 … size − 1 before it has to grow. */
  constructor(size = 0) {
    this.#words = new Uint32Array(Math.ceil(size / 32));
  }

  add(value: number): void {
    const word = value >>> 5;
    if (word >= this.#words.length) this.#grow(word);
    this.#words[word] |= 1 << (value & 31);
  }

  /** Adds the value when `bit` is 1, leaves it when it is 0. */
  or(value: number, bit: number): void {
    const word = value >>> 5;
    if (word >= this.#words.length) this.#grow(word);
    this.#words[word] |= bit << (value & 31);
  }

  delete(value: number): void {
    const word = value >>> 5;
    if (word < this.#words.length) this.#words[word] &= ~(1 << (value & 31));
  }

  has(value: number): boolean {
    const word = value >>> 5;
    return word < this.#words.length && (this.#words[word] & (1 << (value & 31))) !== 0;
  }

  /** Adds all of another set. */
  addAll(others: Bits): void {
    const words = others.#words;
    if (words.length > this.#words.length) this.#grow(words.length - 1);
    for (let word = 0; word < words.length; word++) this.#words[word] |= words[word];
  }

  /** Adds what of 0 … size − 1 is not in the other set. */
  addMissing(others: Bits, size: number): void {
    const whole = size >>> 5;
    if (whole >= this.#words.length) this.#grow(whole);
    for (let word = 0; word < whole; word++) this.#words[word] |= ~(others.#words[word] ?? 0);
    if (size & 31) this.#words[whole] |= ~(others.#words[whole] ?? 0) & ((1 << (size & 31)) - 1);
  }

  get size(): number {
    let size = 0;
    for (let word of this.#words) {
      word -= (word >>> 1) & 0x55555555;
      word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
      size += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
    }
    return size;
  }

  /** All of it, in ascending order. */
  ascending(): Uint32Array {
    const values = new Uint32Array(this.size);
    let count = 0;
    for (let index = 0; index < this.#words.length; index++) {
      for (let word = this.#words[index]; word !== 0; word &= word - 1) values[count++] = index * 32 + 31 - Math.clz32(word & -word);
    }
    return values;
  }

  #grow(word: number): void {
    const larger = new Uint32Array(Math.max(word + 1, 2 * this.#words.length));
    larger.set(this.#words);
    this.#words = larger;
  }
}
