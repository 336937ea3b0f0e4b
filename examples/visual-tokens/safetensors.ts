/** The tensors of a safetensors file (https://huggingface.co/docs/safetensors) that a compression is stored in. */

const arrays = { F32: Float32Array, I32: Int32Array } as const;

export interface StoredTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/**
 * 8 bytes with the length of a JSON header, the header, the values.
 *
 * @throws Error when the bytes are no such file, or it has a type beside F32 and I32.
 */
export function readSafetensors(file: Uint8Array): Record<string, StoredTensor> {
  const headerLength = file.byteLength < 8 ? Number.NaN : Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  if (!(8 + headerLength <= file.byteLength)) throw new Error('these bytes are no safetensors file');
  const values = file.subarray(8 + headerLength);
  const { __metadata__, ...header } = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + headerLength))) as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  return Object.fromEntries(
    Object.entries(header).map(([name, { dtype, shape, data_offsets: [from, to] }]) => {
      const TypedArray = arrays[dtype as keyof typeof arrays];
      if (TypedArray === undefined) throw new Error(`tensor ${name} is ${dtype}, expected F32 or I32`);
      if (to > values.byteLength) throw new Error('the file is cut short');
      return [name, { shape, data: new TypedArray(new Uint8Array(values.subarray(from, to)).buffer) }];
    }),
  );
}
