/** A tensor of a safetensors file, its values as they lie there. */
export interface StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/**
 * One tensor of a safetensors file: 8 bytes with the length of a JSON header, the header, the values
 * (https://huggingface.co/docs/safetensors).
 *
 * @throws Error when the bytes are no such file or it has no tensor of that name.
 */
export function readTensor(file: Uint8Array, name: string): StoredTensor {
  const { buffer, byteOffset, byteLength } = file;
  const headerLength = byteLength < 8 ? Number.NaN : Number(new DataView(buffer, byteOffset).getBigUint64(0, true));
  if (!(8 + headerLength <= byteLength)) throw new Error('these bytes are no safetensors file');
  const header = JSON.parse(Buffer.from(buffer, byteOffset + 8, headerLength).toString('utf8')) as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  const tensor = header[name];
  if (tensor === undefined) throw new Error(`the file has no tensor ${name}; it has ${Object.keys(header).join(', ')}`);
  const [start, end] = tensor.data_offsets;
  if (8 + headerLength + end > byteLength) throw new Error('the file is cut short');
  return { dtype: tensor.dtype, shape: tensor.shape, bytes: file.subarray(8 + headerLength + start, 8 + headerLength + end) };
}
