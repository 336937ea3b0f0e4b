import { seededRandom } from '@touchstone/runtime/random';
import { expect, it } from 'vitest';
import { Postings } from './postings.ts';
import type { Filter } from './vector-index.ts';

const items: Record<string, unknown>[] = [
  { colour: 'red', tags: ['a', 'b'], author: 'x' },
  { colour: 'blue', tags: ['b', 'b'], author: 'y' },
  { colour: 'red', tags: [], author: 'z', nested: { colour: 'red' }, nothing: null },
  { colour: 1, tags: 'a' },
  { colour: '1', tags: [['a'], true] },
];

const postings = () => {
  const all = new Postings();
  items.forEach((attributes, ordinal) => all.add(ordinal, attributes));
  return all;
};

it.each<[string, Extract<Filter, { in: unknown }>[], number[]]>([
  ['a value', [{ field: 'colour', in: ['red'] }], [0, 2]],
  ['one of several values', [{ field: 'colour', in: ['blue', 'red', 'red'] }], [0, 1, 2]],
  ['a list that has the value, once', [{ field: 'tags', in: ['b'] }], [0, 1]],
  ['a list with both values, once', [{ field: 'tags', in: ['a', 'b'] }], [0, 1, 3]],
  ['two conditions', [{ field: 'tags', in: ['a'] }, { field: 'colour', in: ['red', 1] }], [0, 3]],
  ['a number is not its text', [{ field: 'colour', in: [1] }], [3]],
  ['a boolean', [{ field: 'tags', in: [true] }], [4]],
  ['an unknown field', [{ field: 'colour', in: ['red'] }, { field: 'size', in: ['red'] }], []],
  ['an unknown value', [{ field: 'colour', in: ['green'] }], []],
  ['no value', [{ field: 'colour', in: [] }], []],
  ['a nested value is none', [{ field: 'nested', in: ['red'] }], []],
  ['a name that every object has', [{ field: 'constructor', in: ['red'] }], []],
])('finds %s', (_, all, expected) => {
  const filter = { all };
  expect([...postings().matching(filter)]).toEqual(expected);
  expect(items.map((_, ordinal) => ordinal).filter((ordinal) => postings().matches(filter, ordinal))).toEqual(expected);
});

it('renumbers and forgets', () => {
  const renumbered = postings().renumbered(Int32Array.of(-1, 0, 1, -1, 2));
  expect([...renumbered.matching({ field: 'colour', in: ['red', 'blue', 1, '1'] })]).toEqual([0, 1, 2]);
  expect([...renumbered.matching({ field: 'author', in: ['x'] })]).toEqual([]);
});

it('equals a loop over all items, for narrow and wide filters', () => {
  const seed = 11;
  const random = seededRandom(seed);
  const pick = (count: number) => Math.floor(random() * count);
  const items = Array.from({ length: 3000 }, (_, ordinal) => ({ owner: `o${ordinal}`, wide: pick(3), narrow: pick(400), tags: [pick(50), pick(50)] }));
  const index = new Postings();
  items.forEach((attributes, ordinal) => index.add(ordinal, attributes));
  for (let round = 0; round < 200; round++) {
    const all: Extract<Filter, { in: unknown }>[] = [
      { field: 'wide', in: [0, 1].slice(pick(2)) },
      { field: 'narrow', in: Array.from({ length: 1 + pick(300) }, () => pick(400)) },
      { field: 'tags', in: Array.from({ length: 1 + pick(20) }, () => pick(50)) },
      { field: 'owner', in: Array.from({ length: 2000 }, () => `o${pick(3000)}`) },
    ].slice(pick(3), 3 + pick(2));
    const expected = items.flatMap((attributes, ordinal) =>
      all.every(({ field, in: wanted }) => [attributes[field as 'owner']].flat().some((value) => wanted.includes(value))) ? ordinal : [],
    );
    expect([...index.matching({ all })], `seed ${seed}, ${JSON.stringify(all)}`).toEqual(expected);
  }
});
