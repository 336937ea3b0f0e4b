/** A tensor as a typed array: row-major, batch dimension first. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: TensorData;
}

export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

type TypedArrayClass = { new (buffer: ArrayBufferLike, offset: number, length: number): TensorData; BYTES_PER_ELEMENT: number };

/** KServe's names of data types. FP16 and BYTES have no typed array and are not spoken here. */
const classes: Readonly<Record<string, TypedArrayClass>> = {
  FP32: Float32Array,
  FP64: Float64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  BOOL: Uint8Array,
};

/** The KServe data type of a typed array. A Uint8Array is UINT8. */
export function datatypeOf(data: TensorData): string {
  const found = Object.keys(classes).find((datatype) => data.constructor === classes[datatype]);
  if (found === undefined) throw new TypeError(`no KServe data type for ${data.constructor.name}`);
  return found;
}

export const bytesOf = (data: TensorData): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/**
 * Views raw contents as a typed array; copies only where the bytes are not aligned.
 *
 * @throws TypeError for a data type without a typed array; RangeError when the bytes do not fit the shape.
 */
export function tensorFrom(datatype: string, shape: readonly number[], raw: Uint8Array): Tensor {
  const TypedArray = classes[datatype];
  if (TypedArray === undefined) throw new TypeError(`data type ${datatype} is not supported`);

  const length = shape.reduce((product, size) => product * size, 1);
  if (raw.byteLength !== length * TypedArray.BYTES_PER_ELEMENT) {
    throw new RangeError(`${datatype} [${shape}] needs ${length * TypedArray.BYTES_PER_ELEMENT} bytes and got ${raw.byteLength}`);
  }
  const aligned = raw.byteOffset % TypedArray.BYTES_PER_ELEMENT === 0 ? raw : new Uint8Array(raw); // a Buffer.slice() would be the same bytes
  return { shape, data: new TypedArray(aligned.buffer, aligned.byteOffset, length) };
}
