import { expect, it } from 'vitest';
import { losses, withTables } from './page.ts';
import { Samples } from './samples.ts';

it('puts tables between their comments and leaves the rest', () => {
  const page = 'Before.\n<!-- a -->\nold\n<!-- /a -->\nAfter.\n';
  expect(withTables(page, { a: '| new |' })).toBe('Before.\n<!-- a -->\n\n| new |\n\n<!-- /a -->\nAfter.\n');
  expect(withTables(withTables(page, { a: 'x' }), { a: '| new |' })).toBe(withTables(page, { a: '| new |' }));
  expect(() => withTables(page, { b: '' })).toThrow(/expected <!-- b -->/);
});

it('says what EvoCut loses for sure, wins for sure, and neither', () => {
  const samples = new Samples();
  const add = (method: string, values: readonly number[]) => values.forEach((value) => samples.add('photo', 'recall', 28, method, value));
  add('EvoCut', [0.1, 0.2, 0.3, 0.2]);
  add('random', [0.3, 0.4, 0.5, 0.4]);
  add('ApET', [0, 0.1, 0.2, 0.1]);
  add('uniform grid', [0.2, 0.1, 0.4, 0.1]);
  expect(losses(samples.differences('EvoCut', ['random', 'ApET', 'uniform grid', 'downsampling'], 28)).split('\n').slice(-2)).toEqual([
    '| photo: object kept | **−0.20** | +0.10 | · |',
    '| *surely less / surely more* | **1** / 0 of 1 | **0** / 1 of 1 | **0** / 0 of 1 |',
  ]);
});

it('pairs pictures, and gives the mean with its interval', () => {
  const samples = new Samples();
  [1, 2, 3].forEach((value) => samples.add('a', 'm', 28, 'x', value));
  [{ value: 2 }, { value: 3 }, { value: 4 }].forEach(({ value }) => samples.add('a', 'm', 28, 'y', value));
  expect(samples.rows()[0]).toMatchObject({ case: 'a', measure: 'm', method: 'x', pictures: 3, value: { estimate: 2 } });
  expect(samples.differences('x', ['y'], 28)).toEqual([{ case: 'a', measure: 'm', budget: 28, rival: 'y', value: { estimate: -1, lower: -1, upper: -1 } }]);
  expect(samples.differences('x', ['y'], 57)).toEqual([]);
  expect(() => samples.add('a', 'm', 28, 'x', Number.NaN)).toThrow(/got NaN/);
});
