/** A tensor on its way between wire and runtime: little endian, row-major. */
export interface RawTensor {
  datatype: string;
  shape: number[];
  bytes: Uint8Array;
}

export type RawTensors = Record<string, RawTensor>;

export const elementBytes: Readonly<Record<string, number>> = {
  BOOL: 1, INT8: 1, UINT8: 1, INT16: 2, UINT16: 2, FP16: 2, INT32: 4, UINT32: 4, FP32: 4, INT64: 8, UINT64: 8, FP64: 8,
};

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Joins along the first dimension. The result owns its memory, so that it can be transferred. */
export function concatenate(tensors: readonly RawTensor[]): RawTensor {
  const [{ datatype, shape }] = tensors;
  const bytes = new Uint8Array(tensors.reduce((sum, tensor) => sum + tensor.bytes.byteLength, 0));
  let offset = 0;
  let rows = 0;
  for (const tensor of tensors) {
    bytes.set(tensor.bytes, offset);
    offset += tensor.bytes.byteLength;
    rows += tensor.shape[0];
  }
  return { datatype, shape: tensors.length === 1 ? shape : [rows, ...shape.slice(1)], bytes };
}

/** Rows `from` to `from + count` as a view. */
export function rowsOf({ datatype, shape, bytes }: RawTensor, from: number, count: number): RawTensor {
  const rowBytes = bytes.byteLength / shape[0];
  return { datatype, shape: [count, ...shape.slice(1)], bytes: bytes.subarray(from * rowBytes, (from + count) * rowBytes) };
}
