import { expect, it } from 'vitest';
import { difference, figure, type Measure, measured, measuresAt } from './figures.ts';

const judged = (relevant: string, ...rankings: string[]) => ({ relevant: new Map([...relevant].map((id) => [id, 1])), rankings: rankings.map((ids) => [...ids]) });
const options = { confidence: 0.95, seed: 1 };
// Two queries in two versions: the second one finds `a` at once, and nothing of `c`.
const queries = [judged('ab', 'xay', 'abx'), judged('c', 'cxy', 'xyz')];
const values = (measure: Measure, version: number, all = queries) => all.map(({ relevant, rankings }) => measured([measure], rankings[version], relevant)[0]);

it('takes every depth once, and the reciprocal rank within the deepest', () => {
  expect(measuresAt([5, 1]).map(({ metric, k }) => `${metric}@${k}`)).toEqual(['recall@1', 'recall@5', 'precision@1', 'precision@5', 'ndcg@1', 'ndcg@5', 'mrr@5']);
});

it.each([
  ['recall', 3, (1 / 2 + 1) / 2, (1 + 0) / 2],
  ['precision', 2, (1 / 2 + 1 / 2) / 2, (1 + 0) / 2],
  ['mrr', 3, (1 / 2 + 1) / 2, (1 + 0) / 2],
  ['mrr', 1, (0 + 1) / 2, (1 + 0) / 2],
] as const)('%s at %d, by hand', (metric, k, first, second) => {
  expect(figure({ metric, k }, values({ metric, k }, 0), options).estimate).toBeCloseTo(first, 12);
  expect(figure({ metric, k }, values({ metric, k }, 1), options).estimate).toBeCloseTo(second, 12);
  expect(difference({ metric, k }, values({ metric, k }, 0), values({ metric, k }, 1), options).estimate).toBeCloseTo(second - first, 12);
});

it('has the extremes as interval when queries have nothing between', () => {
  expect(figure({ metric: 'recall', k: 3 }, values({ metric: 'recall', k: 3 }, 1), options)).toMatchObject({ lower: 0, upper: 1 });
  const ndcg = { metric: 'ndcg', k: 2 } as const;
  const same = [judged('a', 'ab', 'ab'), judged('b', 'ab', 'ab')];
  expect(difference(ndcg, values(ndcg, 0, same), values(ndcg, 1, same), options)).toMatchObject({ estimate: 0, lower: 0, upper: 0 });
});
