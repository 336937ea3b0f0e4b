import type { Hit, IndexedItem, SpaceQuery } from './collection-index.ts';

/** The collection index as a loop over a map: what the tests compare with. */
export class PlainIndex {
  readonly items = new Map<string, IndexedItem>();

  upsert(item: IndexedItem): void {
    this.items.set(item.id, item);
  }

  delete(id: string): boolean {
    return this.items.delete(id);
  }

  search({ space, vector, limit, filter = [], exclude }: SpaceQuery): { hits: Hit[]; examined: number } {
    const matching = [...this.items.values()].filter(({ attributes }) =>
      filter.every(({ field, in: wanted }) => [attributes[field]].flat().some((value) => (wanted as unknown[]).includes(value))),
    );
    const scored = matching.map(({ id, vectors }) => ({
      id,
      rows: vectors.filter((row) => row.space === space).map((row) => ({ id, part: row.part, score: product(vector, row.vector) })),
    }));
    const hits = scored
      .filter(({ id, rows }) => id !== exclude && rows.length > 0)
      .map(({ rows }) => rows.sort((a, b) => b.score - a.score || a.part - b.part)[0])
      .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
    return { hits: hits.slice(0, limit), examined: scored.reduce((sum, { rows }) => sum + rows.length, 0) };
  }
}

function product(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
