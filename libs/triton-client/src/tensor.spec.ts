import { expect, it } from 'vitest';

import { bytesOf, datatypeOf, tensorFrom } from './tensor.ts';

it.each([
  ['FP32', Float32Array.of(1.5, -2)],
  ['FP64', Float64Array.of(1.5, -2)],
  ['INT8', Int8Array.of(1, -2)],
  ['INT32', Int32Array.of(1, -2)],
  ['INT64', BigInt64Array.of(1n, -2n)],
  ['UINT8', Uint8Array.of(1, 2)],
  ['UINT64', BigUint64Array.of(1n, 2n)],
])('carries %s as bytes and back', (datatype, data) => {
  expect(datatypeOf(data)).toBe(datatype);
  expect(tensorFrom(datatype, [2, 1], bytesOf(data))).toEqual({ shape: [2, 1], data });
});

it('reads bytes that are not aligned, as they come inside a larger message', () => {
  const message = Buffer.concat([Buffer.of(7), bytesOf(Float32Array.of(3, 4))]);
  for (const bytes of [message.subarray(1), new Uint8Array(message).subarray(1)]) {
    expect(tensorFrom('FP32', [2], bytes).data).toEqual(Float32Array.of(3, 4));
  }
});

it('views a part of a larger array only', () => {
  expect(bytesOf(Float32Array.of(1, 2, 3).subarray(1, 2))).toEqual(bytesOf(Float32Array.of(2)));
});

it('says what does not fit', () => {
  expect(() => tensorFrom('FP32', [2, 3], new Uint8Array(20))).toThrow('FP32 [2,3] needs 24 bytes and got 20');
  expect(() => tensorFrom('BYTES', [1], new Uint8Array(1))).toThrow('BYTES is not supported');
});
