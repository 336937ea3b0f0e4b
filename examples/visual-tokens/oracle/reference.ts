import { readFileSync } from 'node:fs';
import type { LlavaShape, Weights } from '../llava-graph.ts';
import type { Positions } from '../prompt.ts';

interface Packed {
  readonly dims: readonly number[];
  /** float32, base64. */
  readonly data: string;
}

/** What llava.py has written. */
export const reference = JSON.parse(readFileSync(new URL('llava.json', import.meta.url), 'utf8')) as {
  readonly shape: LlavaShape;
  /** Ids, with the picture's once. */
  readonly prompt: readonly number[];
  /** Visual tokens of the whole picture. */
  readonly tokens: Packed;
  readonly weights: Readonly<Record<string, Packed>>;
  readonly runs: readonly {
    readonly name: string;
    readonly kept: readonly number[];
    readonly positions: Positions;
    readonly inputIds: readonly number[];
    readonly positionIds: readonly number[];
    readonly answer: readonly number[];
    /** [steps, vocabulary]. */
    readonly logits: Packed;
  }[];
  readonly qwen: readonly { readonly rows: number; readonly columns: number; readonly kept: number[]; readonly positionIds: number[][] }[];
};

export const floatsOf = ({ data }: Packed): Float32Array => new Float32Array(new Uint8Array(Buffer.from(data, 'base64')).buffer);

/** @throws Error for a name or shape that the reference does not have. */
export const referenceWeights: Weights = (name, dims) => {
  const packed = reference.weights[name];
  if (String(packed?.dims) !== String(dims)) throw new Error(`weight ${name} [${dims}]: the reference has [${packed?.dims}]`);
  return floatsOf(packed);
};
