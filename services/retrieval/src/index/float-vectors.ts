const blockBytes = 65_536;

/** The float32 vectors of one space, for rescoring: 4 bytes a dimension, in blocks of at least 64 KiB, on the event loop's side. */
export class FloatVectors {
  readonly #perBlock: number;
  readonly #blocks: Float32Array[] = [];
  readonly #free: number[] = [];
  #slots = 0;

  constructor(readonly dimension: number) {
    this.#perBlock = Math.max(1, Math.floor(blockBytes / (4 * dimension)));
  }

  get bytes(): number {
    return this.#blocks.length * this.#perBlock * this.dimension * 4;
  }

  /** More room is free than used: worth copying into a new store. */
  get isSparse(): boolean {
    return this.#free.length * 2 > this.#slots;
  }

  /** Copies the vector. @returns its slot. */
  add(vector: Float32Array): number {
    const slot = this.#free.pop() ?? this.#slots++;
    if (slot === this.#blocks.length * this.#perBlock) this.#blocks.push(new Float32Array(this.#perBlock * this.dimension));
    this.get(slot).set(vector);
    return slot;
  }

  /** A view into the store. */
  get(slot: number): Float32Array {
    const offset = (slot % this.#perBlock) * this.dimension;
    return this.#blocks[Math.floor(slot / this.#perBlock)].subarray(offset, offset + this.dimension);
  }

  remove(slot: number): void {
    this.#free.push(slot);
  }
}

/** Length of the first `dimensions` values, summed like `innerProduct`. */
export function norm(vector: Float32Array, dimensions: number): number {
  let sum = 0;
  for (let i = 0; i < dimensions; i++) sum += vector[i] * vector[i];
  return Math.sqrt(sum);
}

/** ⟨a, b⟩ of float32 vectors, b cut to the length of a, summed in float64 from the first to the last dimension: the same on every machine. */
export function innerProduct(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
