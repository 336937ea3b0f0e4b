import { expect, it } from 'vitest';
import { SearchSorts } from './search-sorts.ts';

const sort = { dimensions: 256, count: 10_000, wanted: 10 };

/** Searches of which heads leave so many rows. @returns how many of them read heads. */
function search(sorts: SearchSorts, times: number, left: (search: number) => number): number {
  let read = 0;
  for (let search = 0; search < times; search++) {
    if (!sorts.readsHeads(sort)) continue;
    read++;
    sorts.learn(sort, left(search));
  }
  return read;
}

it('goes on reading heads when one search of eight leaves all rows', () => {
  expect(search(new SearchSorts(), 1000, (at) => (at % 8 === 0 ? 10_000 : 20))).toBe(1000);
});

it('gives heads up where they leave all rows, tries them now and then, and takes them up again', () => {
  const sorts = new SearchSorts();
  expect(search(sorts, 640, () => 10_000)).toBeLessThan(20);
  expect(sorts.readsHeads({ ...sort, count: 30_000 })).toBe(true); // another sort
  expect(search(sorts, 640, () => 20)).toBeGreaterThan(300);
});

it('reads few rows at once', () => {
  expect(new SearchSorts().readsHeads({ ...sort, count: 100 })).toBe(false);
});
