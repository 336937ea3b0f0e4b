import { closeSync, mkdirSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Float32 vectors of all collections in one temporary file, of which the folder shows nothing and which ends with the process. It
 * is read by position, a vector at a time, from the system's cache of pages; what is freed is used again.
 */
export class VectorFile {
  readonly #descriptor: number;
  readonly #free = new Map<number, number[]>();
  #end = 0;
  #isClosed = false;

  /** @param folder of a file system with room for all vectors; made when it is not there. Memory file systems gain nothing. */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `vectors-${process.pid}-${performance.now()}`);
    this.#descriptor = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
  }

  /** @returns the position of so many bytes, with old content. */
  allocate(bytes: number): number {
    const free = this.#free.get(bytes)?.pop();
    if (free !== undefined) return free;
    const position = this.#end;
    this.#end += bytes;
    return position;
  }

  free(position: number, bytes: number): void {
    const free = this.#free.get(bytes);
    if (free) free.push(position);
    else this.#free.set(bytes, [position]);
  }

  /** @throws when the disk is full; what was there before is then lost. */
  write(position: number, vector: Float32Array): void {
    const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
    for (let written = 0; written < bytes.length; ) written += writeSync(this.#descriptor, bytes, written, bytes.length - written, position + written);
  }

  read(position: number, into: Float32Array): void {
    const read = readSync(this.#descriptor, into, 0, into.byteLength, position);
    if (read !== into.byteLength) throw new Error(`The file of vectors has ${read} of ${into.byteLength} bytes at ${position}.`);
  }

  close(): void {
    if (!this.#isClosed) closeSync(this.#descriptor);
    this.#isClosed = true;
  }
}
