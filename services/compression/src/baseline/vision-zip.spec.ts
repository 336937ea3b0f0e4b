import { describe, expect, it } from 'vitest';
import { dominantCount, type VisionZipInput, visionZipTokens } from './vision-zip.ts';

const input: VisionZipInput = {
  tokens: 8,
  classAttention: [0.1, 0.2, 0.8, 0.1, 0.1, 0.9, 0.2, 0.1],
  rows: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  width: 1,
  keys: Float32Array.of(1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0),
  keyWidth: 2,
};

describe('VisionZip', () => {
  it('keeps 54 dominant tokens of 64, and the proportion for other budgets', () => {
    expect([64, 128, 192, 28, 1].map(dominantCount)).toEqual([54, 108, 162, 24, 1]);
  });

  it('keeps what the class token attends to, and tokens a stride apart among the others', () => {
    // 4 of 8: 3 dominant, which are 5, 2, and of the equal 1 and 6 the first; the first of the others is contextual.
    expect([...visionZipTokens(input, 4).indices]).toEqual([0, 1, 2, 5]);
  });

  it('adds to a contextual token the mean of those whose keys are closest, and to a dominant one nothing', () => {
    // Attention falls with the patch: of 13 the first 11 are dominant; of the other 9 every fourth is contextual, 11 and 15.
    // Keys of odd patches point along x, of even ones along y, but for 15.
    const tokens = 20;
    const many = { tokens, classAttention: Array.from({ length: tokens }, (_, patch) => -patch), rows: Float32Array.from({ length: tokens }, (_, patch) => patch), width: 1 };
    const keys = Float32Array.from(Array.from({ length: tokens }, (_, patch) => (patch % 2 === 1 && patch !== 15 ? [5, 0.1] : [0.1, 1])).flat());
    const { indices, rows } = visionZipTokens({ ...many, keys, keyWidth: 2 }, 13);
    expect([...indices]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15]);
    // 13, 17, 19 go to 11: 11 + 49/3; 12, 14, 16, 18 go to 15: 15 + 15.
    expect([...rows].map((value) => Number(value.toFixed(4)))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 27.3333, 30]);
  });

  it('compares keys by direction, not by length', () => {
    const two = { tokens: 5, classAttention: [9, 8, 0, 0, 0], rows: Float32Array.of(0, 0, 0, 0, 7), width: 1 };
    // 4 of 5 keeps 3 dominant and one contextual; the last patch is all that can be merged.
    expect([...visionZipTokens({ ...two, keys: Float32Array.of(1, 0, 1, 0, 1, 0, 1, 0, 0, 1), keyWidth: 2 }, 4).rows]).toEqual([0, 0, 0, 7]);
  });

  it('of as many tokens as there are changes nothing', () => {
    for (const count of [8, 9]) {
      const { indices, rows } = visionZipTokens(input, count);
      expect([...indices]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      expect(rows).toEqual(input.rows);
    }
  });

  it.each([1, 2, 3, 4, 5, 6, 7])('keeps exactly %d tokens when so many are asked for', (count) => {
    expect(new Set(visionZipTokens(input, count).indices).size).toBe(count);
  });

  it('says what was expected', () => expect(() => visionZipTokens(input, 0)).toThrow(/at least 1, got 0/));
});
