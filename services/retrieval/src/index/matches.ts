import { Bits } from './bits.ts';
import { addTo, has, sizeOf } from './posting.ts';
import type { Postings } from './postings.ts';
import type { Filter } from './vector-index.ts';

/** The items that a filter holds for, as far as they are asked for. */
interface Matches {
  /** At most so many. */
  readonly most: number;
  /** What asking for one costs, in bits set. */
  readonly cost: number;
  has(ordinal: number): boolean;
  addTo(bits: Bits): void;
  /** Ascending, each once; when there is a quicker way than through bits. */
  list?(): Uint32Array;
}

/**
 * @returns the ordinals that the filter holds for, ascending, each once. The smallest condition of an `all` leads, so the cost
 * follows its size.
 * @throws RangeError for a range without ends or with one that is no number.
 */
export const matching = (filter: Filter, postings: Postings): Uint32Array => listOf(matches(filter, postings));

/** @throws RangeError as `matching` does. */
export const isMatch = (filter: Filter, postings: Postings, ordinal: number): boolean => matches(filter, postings).has(ordinal);

function matches(filter: Filter, postings: Postings): Matches {
  const everything = postings.length;
  if ('all' in filter) return all(filter.all.map((each) => matches(each, postings)), everything);
  if ('any' in filter) return any(filter.any.map((each) => matches(each, postings)), everything);
  if ('not' in filter) return not(matches(filter.not, postings), everything);

  const values = postings.field(filter.field);
  if ('exists' in filter) {
    const existing = values?.existing ?? new Bits();
    const exists: Matches = { most: everything, cost: 1, has: (ordinal) => existing.has(ordinal), addTo: (bits) => bits.addAll(existing) };
    return filter.exists ? exists : not(exists, everything);
  }
  if ('range' in filter) {
    const { range } = filter;
    check(filter.field, range);
    const numbers = values?.numbers;
    return {
      most: numbers?.length ?? 0,
      cost: 20,
      has: (ordinal) => numbers?.hasWithin(range, ordinal) ?? false,
      addTo: (bits) => numbers?.addWithin(range, bits),
    };
  }
  const lists = [...new Set(filter.in)].flatMap((value) => values?.postings.get(value) ?? []);
  return {
    most: lists.reduce<number>((sum, posting) => sum + sizeOf(posting), 0),
    cost: 8 * lists.length,
    has: (ordinal) => lists.some((posting) => has(posting, ordinal)),
    addTo: (bits) => lists.forEach((posting) => addTo(bits, posting)),
    ...(lists.length === 1 && typeof lists[0] !== 'number' && { list: lists[0].view.bind(lists[0]) }),
  };
}

function all(each: readonly Matches[], everything: number): Matches {
  if (each.length === 0) return not(any([], everything), everything);
  const [smallest, ...others] = each.toSorted((a, b) => a.most - b.most);
  const list = () => others.reduce((candidates, other) => candidates.filter(tester(other, candidates.length)), listOf(smallest));
  return {
    most: smallest.most,
    cost: each.reduce((sum, { cost }) => sum + cost, 0),
    has: (ordinal) => each.every((one) => one.has(ordinal)),
    addTo: (bits) => list().forEach((ordinal) => bits.add(ordinal)),
    list,
  };
}

function any(each: readonly Matches[], everything: number): Matches {
  return {
    most: Math.min(everything, each.reduce((sum, { most }) => sum + most, 0)),
    cost: each.reduce((sum, { cost }) => sum + cost, 0),
    has: (ordinal) => each.some((one) => one.has(ordinal)),
    addTo: (bits) => each.forEach((one) => one.addTo(bits)),
  };
}

function not(one: Matches, everything: number): Matches {
  return {
    most: everything,
    cost: one.cost,
    has: (ordinal) => !one.has(ordinal),
    addTo: (bits) => bits.addMissing(bitsOf(one), everything),
  };
}

function bitsOf(one: Matches): Bits {
  const bits = new Bits();
  one.addTo(bits);
  return bits;
}

const listOf = (one: Matches) => one.list?.() ?? bitsOf(one).ascending();

/** Asks for each of a few candidates, and makes a set of bits when there are many. */
function tester(one: Matches, candidates: number): (ordinal: number) => boolean {
  if (candidates * one.cost < one.most) return one.has;
  const bits = bitsOf(one);
  return (ordinal) => bits.has(ordinal);
}

function check(field: string, range: object): void {
  const ends = Object.values(range).filter((end) => end !== undefined);
  const wrong = ends.find((end) => typeof end !== 'number' || Number.isNaN(end));
  if (ends.length === 0 || wrong !== undefined) throw new RangeError(`range of ${field}: expected gt, gte, lt or lte as numbers, got ${wrong ?? 'none'}.`);
}
