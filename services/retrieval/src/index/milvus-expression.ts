import { type AttributeValue, type Filter, type Kind, kinds, type Range } from './vector-index.ts';

/**
 * A name of a field as a key of Milvus's JSON column: letters, digits and underscores stay, all else becomes `$<code>$`. So no name
 * is a path into the JSON, and none can end the expression that it stands in.
 */
export const milvusKey = (field: string): string => field.replace(/[^A-Za-z0-9_]/gu, (character) => `$${character.codePointAt(0)!.toString(16)}$`);

/** The fields that can be filtered by, as they are stored: scalars and lists of scalars. */
export function milvusFields(fields: Readonly<Record<string, unknown>>): Record<string, AttributeValue | AttributeValue[]> {
  const stored: Record<string, AttributeValue | AttributeValue[]> = {};
  for (const [field, value] of Object.entries(fields)) {
    if (isScalar(value)) stored[milvusKey(field)] = value;
    else if (Array.isArray(value) && value.some(isScalar)) stored[milvusKey(field)] = value.filter(isScalar);
  }
  return stored;
}

/** A string as a literal of Milvus's grammar, whose escapes are Go's: a subset of them is JSON's. */
export const literal = (value: AttributeValue): string => JSON.stringify(value);

/** @returns a boolean expression over the JSON column `fields`. Lists of a field count as in-process: one of its values is enough. */
export function milvusExpression(filter: Filter): string {
  if ('all' in filter) return joined(filter.all, ' && ', everything);
  if ('any' in filter) return joined(filter.any, ' || ', nothing);
  if ('not' in filter) return `not (${milvusExpression(filter.not)})`;
  const field = `fields[${literal(milvusKey(filter.field))}]`;
  if ('in' in filter) return among(field, filter.in);
  if ('exists' in filter) return filter.exists ? `(exists ${field})` : `not (exists ${field})`;
  return within(field, filter.range);
}

/** Rows that have one of these kinds; their set is stored as a number (kind-set.ts). */
export function kindsExpression(wanted: readonly Kind[]): string {
  const bits = wanted.reduce((set, kind) => set | (1 << kinds.indexOf(kind)), 0);
  const sets = Array.from({ length: (1 << kinds.length) - 1 }, (_, index) => index + 1).filter((set) => set & bits);
  return `kinds in [${sets.join(', ')}]`;
}

export const amongStrings = (field: string, values: readonly string[]): string => `${field} in [${values.map(literal).join(', ')}]`;

/** Every row has a position above 0. */
export const everything = 'position > 0';
const nothing = 'position < 0';

function joined(filters: readonly Filter[], operator: string, ofNone: string): string {
  return filters.length === 0 ? ofNone : `(${filters.map(milvusExpression).join(operator)})`;
}

/** `in` takes values of one type only, and an integer is another type than a number with a fraction. */
function among(field: string, values: readonly AttributeValue[]): string {
  if (values.length === 0) return nothing;
  const strings = values.filter((value) => typeof value === 'string');
  const others = values.filter((value) => typeof value !== 'string');
  const list = `[${values.map(literal).join(', ')}]`;
  const scalars = [...(strings.length > 0 ? [amongStrings(field, strings)] : []), ...others.map((value) => `${field} == ${literal(value)}`)];
  return `(${[...scalars, `json_contains_any(${field}, ${list})`].join(' || ')})`;
}

const operators = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;

/** Milvus compares no values within a list, so a list is outside every range; in process one of its values would be enough. */
function within(field: string, range: Range): string {
  const ends = Object.entries(operators).flatMap(([end, operator]) => {
    const value = range[end as keyof Range];
    return value === undefined ? [] : [`${field} ${operator} ${literal(value)}`];
  });
  return `(${ends.join(' && ')})`;
}

const isScalar = (value: unknown): value is AttributeValue => typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
