import { Bits } from './bits.ts';
import { Uint32List } from './uint32-list.ts';
import type { AttributeValue, Filter } from './vector-index.ts';

type Condition = Extract<Filter, { in: unknown }>;

/** A value that one item has costs a number and no list, so a field with a value for each item stays cheap. */
type Posting = number | Uint32List;

/** From attribute values to the items that have them. Items are ordinals, added in ascending order and never removed. */
export class Postings {
  readonly #fields = new Map<string, Map<AttributeValue, Posting>>();

  add(ordinal: number, attributes: Readonly<Record<string, unknown>>): void {
    for (const [field, attribute] of Object.entries(attributes)) {
      for (const value of new Set(Array.isArray(attribute) ? attribute : [attribute])) {
        if (isAttributeValue(value)) this.#add(field, value, ordinal);
      }
    }
  }

  /** @returns the ordinals that match, ascending, each once. The smallest condition leads, so the cost follows its size. */
  matching(filter: Filter): Uint32Array {
    const [smallest, ...others] = conditionsOf(filter).map((condition) => this.#lists(condition)).sort((a, b) => total(a) - total(b));
    const ordinals = union(smallest);
    return others.reduce((candidates, lists) => candidates.filter(membership(lists, candidates.length)), ordinals);
  }

  matches(filter: Filter, ordinal: number): boolean {
    return conditionsOf(filter).every((condition) => this.#lists(condition).some((posting) => has(posting, ordinal)));
  }

  /** @param ordinals for each old ordinal the new one, ascending, or -1 when the item is gone. */
  renumbered(ordinals: Int32Array): Postings {
    const postings = new Postings();
    for (const [field, values] of this.#fields) {
      for (const [value, posting] of values) {
        for (const old of typeof posting === 'number' ? [posting] : posting.view()) {
          if (ordinals[old] >= 0) postings.#add(field, value, ordinals[old]);
        }
      }
    }
    return postings;
  }

  #add(field: string, value: AttributeValue, ordinal: number): void {
    let values = this.#fields.get(field);
    if (!values) this.#fields.set(field, (values = new Map()));
    const posting = values.get(value);
    if (posting === undefined) values.set(value, ordinal);
    else if (typeof posting !== 'number') posting.push(ordinal);
    else {
      const list = new Uint32List();
      list.push(posting);
      list.push(ordinal);
      values.set(value, list);
    }
  }

  #lists({ field, in: wanted }: Condition): Posting[] {
    const values = this.#fields.get(field);
    return [...new Set(wanted)].flatMap((value) => values?.get(value) ?? []);
  }
}

function conditionsOf(filter: Filter): readonly Condition[] {
  if ('in' in filter) return [filter];
  if ('all' in filter) return filter.all.flatMap(conditionsOf);
  throw new RangeError(`filter: the in-process index has no ${Object.keys(filter).join(', ')} yet.`);
}

const isAttributeValue = (value: unknown): value is AttributeValue =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

const size = (posting: Posting) => (typeof posting === 'number' ? 1 : posting.length);
const has = (posting: Posting, ordinal: number) => (typeof posting === 'number' ? posting === ordinal : posting.hasSorted(ordinal));
const lastOf = (posting: Posting) => (typeof posting === 'number' ? posting : posting.at(posting.length - 1));
const total = (lists: readonly Posting[]) => lists.reduce<number>((sum, posting) => sum + size(posting), 0);

function union(lists: readonly Posting[]): Uint32Array {
  if (lists.length === 1 && typeof lists[0] !== 'number') return lists[0].view();
  return lists.length === 0 ? new Uint32Array() : bitsOf(lists).ascending(new Uint32Array(total(lists)));
}

/** Searches the lists when there are few candidates, and a set of bits made of them when there are many. */
function membership(lists: readonly Posting[], candidates: number): (ordinal: number) => boolean {
  if (candidates * lists.length * 8 < total(lists)) return (ordinal) => lists.some((posting) => has(posting, ordinal));
  const bits = bitsOf(lists);
  return (ordinal) => bits.has(ordinal);
}

function bitsOf(lists: readonly Posting[]): Bits {
  const bits = new Bits(lists.reduce<number>((last, posting) => Math.max(last, lastOf(posting)), 0));
  for (const posting of lists) {
    if (typeof posting === 'number') bits.add(posting);
    else for (let index = 0; index < posting.length; index++) bits.add(posting.at(index));
  }
  return bits;
}
