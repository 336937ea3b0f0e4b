/** A growing list of bytes. */
export class Uint8List {
  #values = new Uint8Array(4);
  #length = 0;

  at(index: number): number {
    return this.#values[index];
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length++] = value;
  }
}
