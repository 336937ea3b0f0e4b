import type { Value } from '@bufbuild/protobuf/wkt';
import type { Filter as FilterMessage, Range as RangeMessage } from '@touchstone/contracts/gen/touchstone/retrieval/v1/search_pb';
import type { AttributeValue, Filter, Range } from '../index/vector-index.ts';
import { filterRefused } from './search.errors.ts';

const deepest = 8;
const mostConditions = 64;

/** The field that is a time: stored as milliseconds, said as RFC 3339. */
export const timeField = 'createdAt';

/** A field that a request names and the JSON pointer to its name. */
export interface NamedField {
  readonly field: string;
  readonly pointer: string;
}

export interface ReadFilter {
  readonly filter: Filter;
  readonly fields: readonly NamedField[];
}

/**
 * A filter as the index takes it.
 *
 * @throws Problem invalid-request with the pointer to what cannot be compared, has no field, or is too deep or too much.
 */
export function readFilter(message: FilterMessage, pointer: string): ReadFilter {
  const fields: NamedField[] = [];
  return { filter: read(message, pointer, 1), fields };

  function read(part: FilterMessage, at: string, depth: number): Filter {
    if (depth > deepest) throw filterRefused(at, `a filter has at most ${deepest} levels`);
    const { all, any, not, field } = part;
    const isJoin = all.length > 0 || any.length > 0 || not !== undefined;
    if (isJoin && field !== undefined) throw filterRefused(`${at}/field`, 'all, any and not have no field of their own');
    if (all.length > 0) return { all: all.map((each, index) => read(each, `${at}/all/${index}`, depth + 1)) };
    if (any.length > 0) return { any: any.map((each, index) => read(each, `${at}/any/${index}`, depth + 1)) };
    if (not) return { not: read(not, `${at}/not`, depth + 1) };
    if (field === undefined) throw filterRefused(`${at}/field`, 'expected the name of a field');
    fields.push({ field, pointer: `${at}/field` });
    if (fields.length > mostConditions) throw filterRefused(at, `a filter has at most ${mostConditions} conditions`);
    return condition(part, field, at);
  }
}

function condition({ equals, in: list, range, exists }: FilterMessage, field: string, at: string): Filter {
  if (equals) return { field, in: [operand(equals, field, `${at}/equals`)] };
  if (list) return { field, in: list.values.map((value, index) => operand(value, field, `${at}/in/${index}`)) };
  if (range) return { field, range: ends(range, field, `${at}/range`) };
  return { field, exists: exists! };
}

function operand({ kind }: Value, field: string, at: string): AttributeValue {
  if (field === timeField) return milliseconds(kind, at);
  if (kind.case !== 'stringValue' && kind.case !== 'numberValue' && kind.case !== 'boolValue') throw filterRefused(at, 'expected a string, a number or a boolean');
  return kind.value;
}

function ends(message: RangeMessage, field: string, at: string): Range {
  const range: { -readonly [End in keyof Range]: number } = {};
  for (const end of ['gt', 'gte', 'lt', 'lte'] as const) {
    const { kind } = message[end] ?? {};
    if (!kind) continue;
    if (field === timeField) range[end] = milliseconds(kind, `${at}/${end}`);
    else if (kind.case === 'numberValue') range[end] = kind.value;
    else throw filterRefused(`${at}/${end}`, 'expected a number');
  }
  if (Object.keys(range).length === 0) throw filterRefused(at, 'expected one of gt, gte, lt and lte');
  return range;
}

const time = /^(?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

function milliseconds(kind: Value['kind'], at: string): number {
  const value = kind.case === 'stringValue' && time.test(kind.value) ? Date.parse(kind.value) : NaN;
  if (Number.isNaN(value)) throw filterRefused(at, 'expected a time as in 2026-01-31T12:00:00Z');
  return value;
}
