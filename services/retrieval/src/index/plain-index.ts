import { type Filter, type Hit, type IndexedItem, type IndexQuery, kinds } from './vector-index.ts';

/** The collection index as a loop over a map: what the tests compare with. */
export class PlainIndex {
  readonly items = new Map<string, IndexedItem>();

  upsert(item: IndexedItem): void {
    this.items.set(item.id, item);
  }

  delete(id: string): boolean {
    return this.items.delete(id);
  }

  search({ space, vector, limit, filter, exclude }: IndexQuery): { hits: Hit[]; examined: number } {
    const matching = [...this.items.values()].filter(({ fields }) => !filter || matches(filter, fields));
    const scored = matching.map(({ id, parts }) => ({
      id,
      rows: parts
        .filter((row) => row.space === space)
        .map((row) => ({ id, score: product(vector, row.vector), kinds: kinds.filter((kind) => row.kinds.includes(kind)), part: row.part, group: id })),
    }));
    const hits = scored
      .filter(({ id, rows }) => !exclude?.includes(id) && rows.length > 0)
      .map(({ rows }) => rows.sort((a, b) => b.score - a.score || a.part - b.part)[0])
      .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
    return { hits: hits.slice(0, limit), examined: scored.reduce((sum, { rows }) => sum + rows.length, 0) };
  }
}

function matches(filter: Filter, fields: IndexedItem['fields']): boolean {
  if ('all' in filter) return filter.all.every((each) => matches(each, fields));
  if (!('in' in filter)) throw new RangeError('not yet');
  return [fields[filter.field]].flat().some((value) => (filter.in as unknown[]).includes(value));
}

function product(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
