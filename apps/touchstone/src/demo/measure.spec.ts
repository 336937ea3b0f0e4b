import { expect, it } from 'vitest';
import { recall } from './measure.ts';

it('counts the right item at rank 1 and among the first five; -1 is not found', () => {
  expect(recall([0, 0, 3, -1])).toEqual({ queries: 4, at1: 0.5, at5: 0.75 });
  expect(recall([5, 4])).toEqual({ queries: 2, at1: 0, at5: 0.5 });
});
