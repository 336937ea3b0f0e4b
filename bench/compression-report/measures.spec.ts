import { expect, it } from 'vitest';
import { areaUnderCurve, balancedAccuracy, comparable, cosines, jaccard, largest, recall, shareKept } from './measures.ts';

it.each([
  ['objects above all', [3, 4, 1, 2], 1],
  ['objects below all', [1, 2, 3, 4], 0],
  ['three of four pairs right', [2, 4, 1, 3], 0.75],
  ['all equal', [1, 1, 1, 1], 0.5],
  ['one tie', [2, 3, 2, 1], 0.875],
])('area under the curve, %s', (_, scores, expected) => expect(areaUnderCurve(scores, [true, true, false, false])).toBe(expected));

it('recall is of what could be kept', () => {
  const isObject = [true, true, true, true, false, false];
  expect(recall([0, 4], isObject)).toBe(0.5);
  expect(recall([0, 1], isObject)).toBe(1);
  expect(recall([0, 1, 2, 4, 5], isObject)).toBe(0.75);
  expect(shareKept([0, 1], isObject)).toBe(0.5);
});

it('jaccard', () => {
  expect(jaccard([1, 2, 3], [2, 3, 4])).toBe(0.5);
  expect(jaccard([1, 2], [2, 1])).toBe(1);
});

it('balanced accuracy weighs object and ground alike', () => {
  const isObject = [true, false, false, false, false];
  expect(balancedAccuracy([false, false, false, false, false], isObject)).toBe(0.5);
  expect(balancedAccuracy([true, true, false, false, false], isObject)).toBe(0.875);
});

it('comparable rows forget scale and shift', () => {
  const [a, b] = [comparable(Float32Array.of(1, 2, 3), 3, new Float64Array(3)), comparable(Float32Array.of(10, 30, 50), 3, new Float64Array(3))];
  expect(cosines(a, b, 3)[0]).toBeCloseTo(1, 6);
  expect(cosines(a, comparable(Float32Array.of(3, 2, 1), 3, new Float64Array(3)), 3)[0]).toBeCloseTo(-1, 6);
  expect([...comparable(Float32Array.of(1, 3), 2)]).toEqual([-1, 1]);
});

it('largest in each row, of equal ones the first', () => {
  const { place, value } = largest(Float32Array.of(1, 5, 2, 7, 7, 0), 3);
  expect([[...place], [...value]]).toEqual([[1, 0], [5, 7]]);
});
