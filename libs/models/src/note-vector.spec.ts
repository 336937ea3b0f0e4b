import { expect, it } from 'vitest';
import { noteVector } from './note-vector.ts';

const vector = (...values: number[]) => Float32Array.from(values);
const half = Math.SQRT1_2;

it.each<[string, Float32Array | undefined, Float32Array[], number[]]>([
  ['a text alone', vector(0.6, 0.8), [], [0.6, 0.8]],
  ['a picture alone', undefined, [vector(0.6, 0.8)], [0.6, 0.8]],
  ['a text and a picture, each half', vector(1, 0), [vector(0, 1)], [half, half]],
  ['a text and three equal pictures, still each half', vector(1, 0), [vector(0, 1), vector(0, 1), vector(0, 1)], [half, half]],
  ['pictures that differ, of length 1 before they meet the text', vector(0, 0, 1), [vector(1, 0, 0), vector(0, 1, 0)], [0.5, 0.5, half]],
  ['pictures that cancel each other out', vector(0, 1), [vector(1, 0), vector(-1, 0)], [0, 1]],
  ['nothing but what cancels', undefined, [vector(1, 0), vector(-1, 0)], [0, 0]],
])('%s', (_, text, pictures, expected) => {
  noteVector(text, pictures).forEach((value, at) => expect(value).toBeCloseTo(expected[at], 6));
});

it('needs something', () => expect(() => noteVector(undefined, [])).toThrow(RangeError));
