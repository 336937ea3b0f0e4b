import { seededRandom } from '@touchstone/runtime/random';
import { expect, it } from 'vitest';
import { Bits } from './bits.ts';
import { isMatch, matching } from './matches.ts';
import { PlainIndex } from './plain-index.ts';
import { Postings } from './postings.ts';
import type { Filter } from './vector-index.ts';

const items: Record<string, unknown>[] = [
  { colour: 'red', tags: ['a', 'b'], author: 'x', size: 1 },
  { colour: 'blue', tags: ['b', 'b'], author: 'y', size: 3 },
  { colour: 'red', tags: [], author: 'z', nested: { colour: 'red' }, nothing: null, size: [0, 9] },
  { colour: 1, tags: 'a', size: [0, 2.5] },
  { colour: '1', tags: [['a'], true] },
];

const postings = () => {
  const all = new Postings();
  for (const fields of items) all.add(fields);
  return all;
};

it.each<[string, Filter, number[]]>([
  ['a value', { field: 'colour', in: ['red'] }, [0, 2]],
  ['one of several values', { field: 'colour', in: ['blue', 'red', 'red'] }, [0, 1, 2]],
  ['a list that has the value, once', { field: 'tags', in: ['b'] }, [0, 1]],
  ['a list with both values, once', { field: 'tags', in: ['a', 'b'] }, [0, 1, 3]],
  ['two conditions', { all: [{ field: 'tags', in: ['a'] }, { field: 'colour', in: ['red', 1] }] }, [0, 3]],
  ['a number is not its text', { field: 'colour', in: [1] }, [3]],
  ['a boolean', { field: 'tags', in: [true] }, [4]],
  ['an unknown field', { all: [{ field: 'colour', in: ['red'] }, { field: 'weight', in: ['red'] }] }, []],
  ['an unknown value', { field: 'colour', in: ['green'] }, []],
  ['no value', { field: 'colour', in: [] }, []],
  ['a nested value is none', { field: 'nested', in: ['red'] }, []],
  ['all of nothing', { all: [] }, [0, 1, 2, 3, 4]],
  ['any of nothing', { any: [] }, []],
  ['one or the other', { any: [{ field: 'author', in: ['y'] }, { field: 'colour', in: [1] }] }, [1, 3]],
  ['what is not there, too', { not: { field: 'author', in: ['y'] } }, [0, 2, 3, 4]],
  ['a field that exists', { field: 'author', exists: true }, [0, 1, 2]],
  ['an empty list and null do not exist', { any: [{ field: 'nothing', exists: true }, { all: [{ field: 'tags', exists: false }, { field: 'colour', in: ['red'] }] }] }, [2]],
  ['a number in a range', { field: 'size', range: { gt: 1, lte: 3 } }, [1, 3]],
  ['one number of a list in a range', { field: 'size', range: { gte: 3 } }, [1, 2]],
  ['numbers above another', { field: 'size', range: { gt: 2.5, lt: 9 } }, [1]],
  ['both sides of zero', { field: 'size', range: { gte: -0, lt: 1 } }, [2, 3]],
  ['nothing above infinity', { field: 'size', range: { gt: Infinity } }, []],
  ['no text in a range', { field: 'colour', range: { gte: 0 } }, [3]],
  ['a name that every object has', { field: 'constructor', in: ['red'] }, []],
])('finds %s', (_, filter, expected) => {
  expect([...matching(filter, postings())]).toEqual(expected);
  expect(items.map((_, ordinal) => ordinal).filter((ordinal) => isMatch(filter, postings(), ordinal))).toEqual(expected);
});

it.each([{}, { gt: NaN }, { gte: 1, lt: '2' as unknown as number }])('refuses the range %j', (range) => {
  expect(() => matching({ field: 'size', range }, postings())).toThrow(RangeError);
  expect(() => isMatch({ any: [{ not: { field: 'unknown', range } }] }, postings(), 0)).toThrow(RangeError);
});

it('renumbers and forgets', () => {
  const old = postings();
  const filters: Filter[] = [{ field: 'size', range: { gte: 1 } }, { field: 'colour', exists: true }, { field: 'colour', in: ['red', 'blue', 1, '1'] }, { field: 'author', in: ['x'] }];
  const before = filters.map((filter) => [...matching(filter, old)]);
  expect(before).toEqual([[0, 1, 2, 3], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0]]);
  const column = old.column('colour');
  const renumbered = old.renumbered(Int32Array.of(-1, 0, 1, -1, 2));
  expect(filters.map((filter) => [...matching(filter, renumbered)])).toEqual([[0, 1], [0, 1, 2], [0, 1, 2], []]);
  expect([0, 1, 2, 3, 4].map((ordinal) => column.value(ordinal))).toEqual(['red', 'blue', 'red', 1, '1']);
  expect([0, 1, 2].map((ordinal) => renumbered.column('colour').value(ordinal))).toEqual(['blue', 'red', '1']);
  renumbered.add({ colour: 'green', size: 2 });
  expect(renumbered.column('colour').value(3)).toBe('green');
  expect([...matching(filters[0], renumbered)]).toEqual([0, 1, 3]);
});

it('counts the values of some items, the largest count first', () => {
  const among = new Bits();
  for (const ordinal of [0, 1, 2, 4]) among.add(ordinal);
  expect(postings().count('tags', among, 9)).toEqual([{ value: 'b', count: 2 }, { value: 'a', count: 1 }, { value: true, count: 1 }]);
  expect(postings().count('size', among, 2)).toEqual([{ value: 0, count: 1 }, { value: 1, count: 1 }]);
  expect(postings().count('unknown', among, 2)).toEqual([]);
});

it('equals a loop over all items, for narrow and wide filters', () => {
  const seed = 11;
  const random = seededRandom(seed);
  const pick = (count: number) => Math.floor(random() * count);
  const all = Array.from({ length: 3000 }, (_, ordinal): Record<string, unknown> => ({
    owner: `o${ordinal}`,
    wide: pick(3),
    narrow: pick(400),
    tags: [pick(50), pick(50)],
    createdAt: pick(1_000_000),
    ...(pick(2) === 0 && { rating: pick(10) }),
  }));
  const index = new Postings();
  const plain = new PlainIndex();
  all.forEach((fields, ordinal) => {
    index.add(fields);
    plain.upsert({ id: String(ordinal), fields, parts: [{ space: 'text', kinds: ['text'], part: 0, vector: Float32Array.of(-ordinal) }] });
  });
  const filter = (depth: number): Filter => {
    const leaves: Filter[] = [
      { field: 'wide', in: [0, 1].slice(pick(2)) },
      { field: 'narrow', in: Array.from({ length: 1 + pick(300) }, () => pick(400)) },
      { field: 'tags', in: Array.from({ length: 1 + pick(20) }, () => pick(50)) },
      { field: 'owner', in: Array.from({ length: 2000 }, () => `o${pick(3000)}`) },
      { field: 'owner', in: [`o${pick(3000)}`] },
      { field: 'createdAt', range: { gte: pick(1_000_000), lt: pick(1_000_000) } },
      { field: 'rating', range: { gt: pick(10) } },
      { field: 'rating', exists: pick(2) === 0 },
    ];
    const branch = depth === 0 ? 9 : pick(10);
    const some = () => Array.from({ length: 1 + pick(3) }, () => filter(depth - 1));
    if (branch === 0) return { not: filter(depth - 1) };
    if (branch < 4) return { all: some() };
    return branch < 6 ? { any: some() } : leaves[pick(leaves.length)];
  };
  for (let round = 0; round < 200; round++) {
    const tree = filter(3);
    const expected = plain.search({ space: 'text', vector: Float32Array.of(1), filter: tree, limit: 3000 }).hits.map(({ id }) => Number(id));
    expect([...matching(tree, index)], `seed ${seed}, ${JSON.stringify(tree)}`).toEqual(expected);
  }
});

it('keeps sets of bits of any size', () => {
  const seed = 12;
  const random = seededRandom(seed);
  for (let round = 0; round < 200; round++) {
    const size = Math.floor(random() * 100);
    const draw = () => Array.from({ length: size }, (_, value) => value).filter(() => random() < 0.4);
    const [left, right] = [draw(), draw()];
    const of = (values: number[]) => {
      const bits = new Bits(Math.floor(random() * 100));
      for (const value of values) bits.add(value);
      return bits;
    };
    const both = of(left);
    both.addAll(of(right));
    expect([...both.ascending()], `seed ${seed}`).toEqual([...new Set([...left, ...right])].sort((a, b) => a - b));
    expect(both.size).toBe(new Set([...left, ...right]).size);
    const missing = new Bits();
    missing.addMissing(of(left), size);
    expect([...missing.ascending()], `seed ${seed}`).toEqual(Array.from({ length: size }, (_, value) => value).filter((value) => !left.includes(value)));
    left.forEach((value) => both.delete(value));
    expect([...both.ascending()]).toEqual(right.filter((value) => !left.includes(value)));
  }
});
