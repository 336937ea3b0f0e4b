import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { brokenRules, Problem } from '@touchstone/contracts';
import { FilterSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/search_pb';
import { describe, expect, it } from 'vitest';
import { readFilter } from './filter-reader.ts';

const read = (json: JsonValue) => readFilter(fromJson(FilterSchema, json), '/filter');

function refused(json: JsonValue): string | undefined {
  try {
    read(json);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(Problem);
    return (error as Problem).violations[0].pointer;
  }
}

it('reads what the first version of the contract took', () => {
  const { filter, fields } = read({ all: [{ field: 'topic', equals: 'bicycle' }, { field: 'year', in: [2024, 2025] }] });
  expect(filter).toEqual({ all: [{ field: 'topic', in: ['bicycle'] }, { field: 'year', in: [2024, 2025] }] });
  expect(fields).toEqual([
    { field: 'topic', pointer: '/filter/all/0/field' },
    { field: 'year', pointer: '/filter/all/1/field' },
  ]);
});

it('reads conditions without a join, joins within joins, ranges, and what is there', () => {
  expect(read({ field: 'isNew', equals: false }).filter).toEqual({ field: 'isNew', in: [false] });
  expect(read({ field: 'price', exists: false }).filter).toEqual({ field: 'price', exists: false });
  expect(read({ field: 'price', in: [] }).filter).toEqual({ field: 'price', in: [] });
  expect(read({ any: [{ not: { field: 'price', range: { gt: 1.5, lte: 9 } } }, { all: [{ field: 'a', exists: true }] }] }).filter).toEqual({
    any: [{ not: { field: 'price', range: { gt: 1.5, lte: 9 } } }, { all: [{ field: 'a', exists: true }] }],
  });
});

it('reads times of createdAt as milliseconds, whatever their zone', () => {
  const midnight = Date.UTC(2026, 0, 31);
  expect(read({ field: 'createdAt', range: { gte: '2026-01-31T00:00:00Z', lt: '2026-01-31T01:00:00.5+01:00' } }).filter).toEqual({
    field: 'createdAt',
    range: { gte: midnight, lt: midnight + 500 },
  });
  expect(read({ field: 'createdAt', equals: '2026-01-31T00:00:00Z' }).filter).toEqual({ field: 'createdAt', in: [midnight] });
});

const nested = (levels: number): JsonValue => (levels === 1 ? { field: 'a', exists: true } : { not: nested(levels - 1) });
const many = (count: number): JsonValue => ({ any: [0, 1].map((half) => ({ all: Array.from({ length: half ? count - 32 : 32 }, () => nested(1)) })) });

describe('refuses', () => {
  it.each<[string, JsonValue, string | undefined]>([
    ['nothing of 8 levels', nested(8), undefined],
    ['9 levels', nested(9), `/filter${'/not'.repeat(8)}`],
    ['nothing of 64 conditions', many(64), undefined],
    ['65 conditions', many(65), '/filter/any/1/all/32'],
    ['a condition without a field', { all: [{ equals: 1 }] }, '/filter/all/0/field'],
    ['a join with a field', { not: { field: 'a', exists: true }, field: 'b' }, '/filter/field'],
    ['an object', { field: 'a', equals: { b: 1 } }, '/filter/equals'],
    ['null', { field: 'a', in: [1, null] }, '/filter/in/1'],
    ['a range without ends', { field: 'a', range: {} }, '/filter/range'],
    ['a range of strings', { field: 'a', range: { gt: 'x' } }, '/filter/range/gt'],
    ['a time of another field', { field: 'a', range: { gt: '2026-01-31T00:00:00Z' } }, '/filter/range/gt'],
    ['a number for a time', { field: 'createdAt', range: { gt: 5 } }, '/filter/range/gt'],
    ['a day for a time', { field: 'createdAt', equals: '2026-01-31' }, '/filter/equals'],
    ['a day that is none', { field: 'createdAt', in: ['2026-02-31T25:00:00Z'] }, '/filter/in/0'],
  ])('%s', (_, json, pointer) => expect(refused(json)).toBe(pointer));

  it.each<[string, JsonValue]>([
    ['nothing at all', {}],
    ['a field alone', { field: 'a' }],
    ['a join of nothing', { any: [] }],
    ['two joins', { all: [nested(1)], not: nested(1) }],
    ['two operators', { field: 'a', equals: 1, exists: true }],
    ['two lower ends', { field: 'a', range: { gt: 1, gte: 2 } }],
    ['two upper ends', { not: { field: 'a', range: { lt: 1, lte: 2 } } }],
  ])('%s, by a rule of the contract', (_, json) => expect(brokenRules(FilterSchema, fromJson(FilterSchema, json))).not.toEqual([]));
});
