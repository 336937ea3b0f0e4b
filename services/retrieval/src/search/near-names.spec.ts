import { expect, it } from 'vitest';
import { alignmentDistance, nearNames } from './near-names.ts';

it.each([
  ['', '', 0],
  ['abc', 'abc', 0],
  ['abc', '', 3],
  ['topic', 'topics', 1],
  ['topic', 'tpoic', 1],
  ['colour', 'color', 1],
  ['kitten', 'sitting', 3],
])('%s and %s are %i edits apart, either way', (a, b, distance) => {
  expect(alignmentDistance(a, b)).toBe(distance);
  expect(alignmentDistance(b, a)).toBe(distance);
});

it('shows the nearest names first, and none that is far', () => {
  expect(nearNames('categroy', ['author', 'category', 'createdAt'])).toEqual(['category']);
  expect(nearNames('Topic', ['topics', 'topic', 'tonic', 'price'])).toEqual(['topic', 'tonic', 'topics']);
  expect(nearNames('x', ['y', 'price'])).toEqual(['y']);
  expect(nearNames('price', [])).toEqual([]);
});
