/** Visual tokens as safetensors files (https://huggingface.co/docs/safetensors). */

const arrays = { F32: Float32Array, I32: Int32Array } as const;

export interface Tensor {
  readonly shape: readonly number[];
  /** float32 or int32, little endian. */
  readonly data: Float32Array | Int32Array;
}

/** 8 bytes with the length of a JSON header, the header, the values; the header is filled up with spaces to whole 8 bytes. */
export function writeSafetensors(tensors: Readonly<Record<string, Tensor>>, metadata: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer> {
  let end = 0;
  const entries = Object.entries(tensors).map(([name, { shape, data }]) => {
    const start = end;
    end += data.byteLength;
    return [name, { dtype: data instanceof Float32Array ? 'F32' : 'I32', shape, data_offsets: [start, end] }] as const;
  });
  const json = JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) });
  const header = new TextEncoder().encode(json + ' '.repeat((8 - (new TextEncoder().encode(json).length % 8)) % 8));
  const file = new Uint8Array(8 + header.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  let at = 8 + header.length;
  for (const { data } of Object.values(tensors)) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

/** @throws Error when the bytes are no such file, or one with other types. */
export function readSafetensors(file: Uint8Array): Record<string, Tensor> {
  const headerLength = file.byteLength < 8 ? Number.NaN : Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  if (!(8 + headerLength <= file.byteLength)) throw new Error('these bytes are no safetensors file');
  const { __metadata__: _, ...header } = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + headerLength))) as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  const values = file.subarray(8 + headerLength);
  return Object.fromEntries(
    Object.entries(header).map(([name, { dtype, shape, data_offsets: [start, end] }]) => {
      const TypedArray = arrays[dtype as keyof typeof arrays];
      if (TypedArray === undefined || end > values.byteLength) throw new Error(`the tensor ${name} is ${dtype} up to byte ${end} of ${values.byteLength}`);
      return [name, { shape, data: new TypedArray(new Uint8Array(values.subarray(start, end)).buffer) }];
    }),
  );
}

/** A picture that was encoded: N tokens, with what methods choose by. */
export interface EncodedTokens {
  readonly grid: { readonly rows: number; readonly columns: number };
  /** Numbers of a token. */
  readonly width: number;
  /** N × width. */
  readonly tokens: Float32Array;
  /** EvoCut's, N. */
  readonly scores: Float32Array;
  /** N. */
  readonly variation: Float32Array;
  /** N; absent where the encoder does not show its attention. */
  readonly classAttention?: Float32Array;
  /** N × some size. */
  readonly attentionKeys?: Float32Array;
}

/** The file of all tokens. */
export function allTokensFile({ grid, width, tokens, scores, variation, classAttention, attentionKeys }: EncodedTokens, metadata: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer> {
  const count = grid.rows * grid.columns;
  return writeSafetensors(
    {
      ...tokenTensors(Int32Array.from({ length: count }, (_, token) => token), tokens, width, grid.columns),
      scores: { shape: [count], data: scores },
      variation: { shape: [count], data: variation },
      ...(classAttention ? { class_attention: { shape: [count], data: classAttention } } : {}),
      ...(attentionKeys ? { attention_keys: { shape: [count, attentionKeys.length / count], data: attentionKeys } } : {}),
    },
    metadata,
  );
}

/** What `allTokensFile` wrote. */
export function readAllTokens(file: Uint8Array, grid: EncodedTokens['grid']): EncodedTokens {
  const { tokens, scores, variation, class_attention: classAttention, attention_keys: attentionKeys } = readSafetensors(file) as Record<string, { shape: number[]; data: Float32Array }>;
  return {
    grid,
    width: tokens.shape[1],
    tokens: tokens.data,
    scores: scores.data,
    variation: variation.data,
    ...(classAttention ? { classAttention: classAttention.data } : {}),
    ...(attentionKeys ? { attentionKeys: attentionKeys.data } : {}),
  };
}

/** The file of kept tokens. @param rows K × width. */
export function keptTokensFile(indices: ArrayLike<number>, rows: Float32Array, { width, grid }: EncodedTokens, metadata: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer> {
  return writeSafetensors(tokenTensors(Int32Array.from(indices), rows, width, grid.columns), metadata);
}

function tokenTensors(indices: Int32Array, rows: Float32Array, width: number, columns: number): Record<string, Tensor> {
  const positions = Int32Array.from({ length: 2 * indices.length }, (_, at) => (at % 2 === 0 ? Math.floor(indices[at >> 1] / columns) : indices[at >> 1] % columns));
  return {
    tokens: { shape: [indices.length, width], data: rows },
    indices: { shape: [indices.length], data: indices },
    positions: { shape: [indices.length, 2], data: positions },
  };
}
