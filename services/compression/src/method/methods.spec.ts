import { seededRandom } from '@touchstone/runtime/random';
import { expect, it } from 'vitest';
import type { EncodedTokens } from '../token/token-files.ts';
import { chosenRows, methods } from './methods.ts';

const random = seededRandom(5);
const drawn = (count: number) => Float32Array.from({ length: count }, () => random());
const picture: EncodedTokens = { grid: { rows: 6, columns: 8 }, width: 4, tokens: drawn(48 * 4), scores: drawn(48), variation: drawn(48), classAttention: drawn(48), attentionKeys: drawn(48 * 3) };

it.each(methods)('$name keeps so many, ascending, and all when all are asked for', (method) => {
  for (const count of [1, 7, 47]) {
    const { indices, scores } = method.choose(picture, count, 3);
    if (method.name === 'grid') expect(indices.length).toBeLessThanOrEqual(count);
    else expect(indices).toHaveLength(method.sideFor ? 48 : count);
    expect([...indices]).toEqual([...new Set(indices)].sort((one, other) => one - other));
    expect(scores?.length ?? 48).toBe(48);
    expect(chosenRows(picture, method.choose(picture, count, 3))).toHaveLength(4 * indices.length);
  }
  expect([...method.choose(picture, 48, 3).indices]).toEqual(Array.from({ length: 48 }, (_, token) => token));
  expect(chosenRows(picture, method.choose(picture, 48, 3))).toEqual(picture.tokens);
});

it.each(methods)('$name follows its seed if it says so, and only then', ({ parameters, choose }) => {
  const [one, other] = [1, 2].map((seed) => [...choose(picture, 12, seed).indices]);
  if (parameters.includes('seed')) expect(one).not.toEqual(other);
  else expect(one).toEqual(other);
});

it('kept rows are the tokens’ own, and VisionZip’s have what they stand for added', () => {
  const [evocut, visionzip] = ['evocut', 'visionzip'].map((name) => methods.find((method) => method.name === name)!.choose(picture, 12, 0));
  const rowsOf = (indices: Uint32Array) => [...indices].flatMap((token) => [...picture.tokens.subarray(token * 4, token * 4 + 4)]);
  expect([...chosenRows(picture, evocut)]).toEqual(rowsOf(evocut.indices));
  expect([...chosenRows(picture, visionzip)]).not.toEqual(rowsOf(visionzip.indices));
});
