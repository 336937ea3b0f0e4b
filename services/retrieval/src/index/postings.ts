import { Bits } from './bits.ts';
import { Column } from './column.ts';
import { FieldValues } from './field-values.ts';
import { countIn } from './posting.ts';
import type { AttributeValue, FacetValue } from './vector-index.ts';

/** From fields and their values to the items that have them. Items are ordinals, added in ascending order and never removed. */
export class Postings {
  readonly #fields = new Map<string, FieldValues>();
  readonly #columns = new Map<string, Column>();
  #length = 0;

  /** Items. */
  get length(): number {
    return this.#length;
  }

  /** Adds the next item. */
  add(fields: Readonly<Record<string, unknown>>): void {
    const ordinal = this.#length++;
    for (const [field, value] of Object.entries(fields)) {
      for (const each of attributeValues(value)) this.#values(field).add(ordinal, each);
    }
    for (const [field, column] of this.#columns) column.push(onlyOf(attributeValues(fields[field])));
  }

  /** The values of a field, if it ever had one. */
  field(name: string): FieldValues | undefined {
    return this.#fields.get(name);
  }

  /** Each item's value of a field. Made when it is first asked for, and kept up from then on. */
  column(name: string): Column {
    let column = this.#columns.get(name);
    if (!column) {
      const single: (AttributeValue | null)[] = [];
      for (const [value, posting] of this.#fields.get(name)?.postings ?? []) {
        for (const ordinal of typeof posting === 'number' ? [posting] : posting.view()) single[ordinal] = single[ordinal] === undefined ? value : null;
      }
      column = new Column();
      for (let ordinal = 0; ordinal < this.#length; ordinal++) column.push(single[ordinal] ?? undefined);
      this.#columns.set(name, column);
    }
    return column;
  }

  /** @returns how many of the items in `among` have each value of a field: at most `limit` values, largest count first. */
  count(name: string, among: Bits, limit: number): FacetValue[] {
    const counts: FacetValue[] = [];
    for (const [value, posting] of this.#fields.get(name)?.postings ?? []) {
      const count = countIn(among, posting);
      if (count > 0) counts.push({ value, count });
    }
    return counts.sort((a, b) => b.count - a.count || compareValues(a.value, b.value)).slice(0, limit);
  }

  /**
   * The same items with other ordinals. This one must not be asked any more, but for its columns.
   *
   * @param ordinals for each old ordinal the new one, ascending from 0, or -1 when the item is gone.
   */
  renumbered(ordinals: Int32Array): Postings {
    const postings = new Postings();
    for (const [name, values] of this.#fields) if (values.renumber(ordinals)) postings.#fields.set(name, values);
    for (const [name, old] of this.#columns) {
      const column = new Column();
      for (let ordinal = 0; ordinal < ordinals.length; ordinal++) if (ordinals[ordinal] >= 0) column.push(old.value(ordinal));
      postings.#columns.set(name, column);
    }
    postings.#length = ordinals.reduce((count, ordinal) => count + (ordinal >= 0 ? 1 : 0), 0);
    return postings;
  }

  #values(name: string): FieldValues {
    let values = this.#fields.get(name);
    if (!values) this.#fields.set(name, (values = new FieldValues()));
    return values;
  }
}

/** The scalars of a field, each once. */
function attributeValues(value: unknown): Iterable<AttributeValue> {
  if (isAttributeValue(value)) return [value];
  return Array.isArray(value) ? new Set(value.filter(isAttributeValue)) : [];
}

function onlyOf(values: Iterable<AttributeValue>): AttributeValue | undefined {
  const [first, second] = values;
  return second === undefined ? first : undefined;
}

const isAttributeValue = (value: unknown): value is AttributeValue =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

const typeOrder = ['number', 'string', 'boolean'];

/** Numbers, strings, booleans; each ascending. */
function compareValues(a: AttributeValue, b: AttributeValue): number {
  return typeOrder.indexOf(typeof a) - typeOrder.indexOf(typeof b) || (a < b ? -1 : Number(a > b));
}
