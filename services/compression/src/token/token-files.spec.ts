import { expect, it } from 'vitest';
import { allTokensFile, type EncodedTokens, keptTokensFile, readAllTokens, readSafetensors, writeSafetensors } from './token-files.ts';

const picture: EncodedTokens = {
  grid: { rows: 2, columns: 3 },
  width: 2,
  tokens: Float32Array.from({ length: 12 }, (_, at) => at / 3),
  scores: Float32Array.of(0, 1, 2, 3, 4, 5),
  variation: Float32Array.of(5, 4, 3, 2, 1, 0),
};

it('all tokens come back as they were, also from bytes that lie anywhere', () => {
  const withAttention = { ...picture, classAttention: Float32Array.of(1, 1, 2, 3, 5, 8), attentionKeys: Float32Array.from({ length: 18 }, (_, at) => -at) };
  for (const each of [picture, withAttention]) {
    const file = allTokensFile(each, { encoder: 'é' });
    expect(readAllTokens(file, picture.grid)).toEqual(each);
    expect(readAllTokens(Buffer.concat([Buffer.from('odd'), file]).subarray(3), picture.grid)).toEqual(each);
  }
});

it('kept tokens have their places', () => {
  const { tokens, indices, positions } = readSafetensors(keptTokensFile([1, 3, 5], Float32Array.of(1, 2, 3, 4, 5, 6), picture, {}));
  expect(tokens).toEqual({ shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) });
  expect(indices).toEqual({ shape: [3], data: Int32Array.of(1, 3, 5) });
  expect(positions).toEqual({ shape: [3, 2], data: Int32Array.of(0, 1, 1, 0, 1, 2) });
});

it('is the format byte for byte', () => {
  const file = writeSafetensors({ a: { shape: [1], data: Int32Array.of(-2) } }, { b: 'c' });
  const header = '{"__metadata__":{"b":"c"},"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}';
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
  expect(Buffer.from(file)).toEqual(Buffer.concat([Buffer.from([padded.length, 0, 0, 0, 0, 0, 0, 0]), Buffer.from(padded), Buffer.from([254, 255, 255, 255])]));
});

it.each([
  ['nothing', new Uint8Array()],
  ['a header longer than the file', Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0, 123, 125)],
  ['values that are cut short', allTokensFile(picture, {}).subarray(0, -1)],
])('refuses %s', (_, file) => expect(() => readSafetensors(file)).toThrow(/safetensors|up to byte/));
