import { expect, it } from 'vitest';
import { approximationScores, variationScores } from './scores.ts';

it('variation is the mean length of a token’s steps', () => {
  const layers = [Float32Array.of(0, 0, 1, 1), Float32Array.of(3, 4, 1, 1), Float32Array.of(3, 4, 1, 2)];
  expect([...variationScores({ layers, tokens: 2, width: 2 })]).toEqual([2.5, 0.5]);
});

it('approximation leaves what stands off the basis tokens', () => {
  // Tokens 0, 2 and 4 are the basis: they span x and y; token 1 lies in that plane, token 3 is 2 away from it.
  const rows = Float32Array.of(1, 0, 0, /**/ 3, -4, 0, /**/ 1, 1, 0, /**/ 5, 6, 2, /**/ 0, 2, 0);
  const scores = approximationScores(rows, 5, 3, 3);
  [0, 0, 0, 2, 0].forEach((expected, token) => expect(scores[token]).toBeCloseTo(expected, 6));
});

it('equal basis tokens count once', () => {
  const rows = Float32Array.of(1, 1, 1, 1, 0, 1);
  const scores = approximationScores(rows, 3, 2, 2);
  expect([...scores].every(Number.isFinite)).toBe(true);
  expect(scores[0]).toBeCloseTo(0, 9);
});
