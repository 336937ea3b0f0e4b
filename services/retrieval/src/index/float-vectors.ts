import type { VectorFile } from './vectors.file.ts';

const blockBytes = 65_536;

/** The float32 vectors of one space, for rescoring: 4 bytes a dimension, in blocks of at least 64 KiB, in memory or in a file. */
export class FloatVectors {
  readonly #perBlock: number;
  readonly #blocks: (Float32Array | number)[] = [];
  readonly #free: number[] = [];
  readonly #scratch: Float32Array;
  #slots = 0;
  #users = 0;

  /** @param file where the vectors are; in memory when absent. */
  constructor(
    readonly dimension: number,
    private readonly file?: VectorFile,
  ) {
    this.#perBlock = Math.max(1, Math.floor(blockBytes / (4 * dimension)));
    this.#scratch = new Float32Array(dimension);
  }

  /** Bytes of memory. */
  get bytes(): number {
    return this.file ? 0 : this.#blocks.length * this.#blockBytes;
  }

  /** More room is free than used: worth copying into a new store. What is free in a file is only used again. */
  get isSparse(): boolean {
    return !this.file && this.#free.length * 2 > this.#slots;
  }

  /** Copies the vector. @returns its slot. @throws when the disk is full; then nothing is added. */
  add(vector: Float32Array): number {
    const slot = this.#free.pop() ?? this.#slots++;
    while (slot >= this.#blocks.length * this.#perBlock) this.#blocks.push(this.file?.allocate(this.#blockBytes) ?? new Float32Array(this.#blockBytes / 4));
    const block = this.#blockOf(slot);
    if (typeof block !== 'number') block.set(vector, this.#indexOf(slot));
    else {
      try {
        this.file!.write(block + 4 * this.#indexOf(slot), vector);
      } catch (cause) {
        this.remove(slot);
        throw cause;
      }
    }
    return slot;
  }

  /** The vector as long as nothing is removed and no other is asked for. */
  get(slot: number): Float32Array {
    const block = this.#blockOf(slot);
    const index = this.#indexOf(slot);
    if (typeof block !== 'number') return block.subarray(index, index + this.dimension);
    this.file!.read(block + 4 * index, this.#scratch);
    return this.#scratch;
  }

  remove(slot: number): void {
    this.#free.push(slot);
  }

  /** One more owner of rows uses it. */
  use(): void {
    this.#users++;
  }

  /** One fewer does; room in the file is free when nobody does. */
  leave(): void {
    this.#users--;
    if (this.#users > 0) return;
    for (const block of this.#blocks.splice(0)) if (typeof block === 'number') this.file!.free(block, this.#blockBytes);
  }

  get #blockBytes(): number {
    return this.#perBlock * this.dimension * 4;
  }

  #blockOf(slot: number): Float32Array | number {
    return this.#blocks[Math.floor(slot / this.#perBlock)];
  }

  #indexOf(slot: number): number {
    return (slot % this.#perBlock) * this.dimension;
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
