import { hash } from 'node:crypto';

/** What the tokens of a picture follow from. */
export interface EncodingFacts {
  /** SHA-256 of the picture, in hexadecimal. */
  readonly pictureSha256: string;
  readonly encoder: string;
  readonly encoderVersion: string;
  readonly selectLayer: number;
  readonly momentum: number;
  /** The grid of tokens that the picture is made to. */
  readonly rows: number;
  readonly columns: number;
}

/** What the choice among them follows from. */
export interface ChoiceFacts {
  readonly method: string;
  /** Of a method that chooses by chance. */
  readonly seed: number;
  /** K. */
  readonly kept: number;
}

/** 32 hexadecimal digits: equal for equal facts, within any tenant. */
export function encodingId({ pictureSha256, encoder, encoderVersion, selectLayer, momentum, rows, columns }: EncodingFacts): string {
  return digits([pictureSha256, encoder, encoderVersion, selectLayer, momentum, rows, columns]);
}

/** 32 hexadecimal digits. @param encoding encodingId */
export function compressionId(encoding: string, { method, seed, kept }: ChoiceFacts): string {
  return digits([encoding, method, seed, kept]);
}

const digits = (facts: readonly unknown[]) => hash('sha256', JSON.stringify(facts), 'hex').slice(0, 32);

/** Of a file, in hexadecimal. */
export const sha256 = (file: Uint8Array) => hash('sha256', file, 'hex');
