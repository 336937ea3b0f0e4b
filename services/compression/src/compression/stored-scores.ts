import type { Compression } from './compression.entity.ts';

/** As the column holds them: float32, little endian. */
export function storedScores(scores: Float32Array): Buffer {
  return Buffer.from(scores.buffer, scores.byteOffset, scores.byteLength);
}

export function scoresOf({ scores }: Pick<Compression, 'scores'>): Float32Array {
  return new Float32Array(new Uint8Array(scores).buffer); // a copy: the column's bytes need not lie at a multiple of 4
}
