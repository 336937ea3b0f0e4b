import { type AttributeValue, type FacetValue, type Filter, type GroupBy, type Hit, type IndexedItem, type IndexQuery, type Kind, kinds } from './vector-index.ts';

/** The collection index as loops over a map: what the tests compare with. */
export class PlainIndex {
  readonly items = new Map<string, IndexedItem>();

  upsert(item: IndexedItem): void {
    this.items.set(item.id, item);
  }

  delete(id: string): boolean {
    return this.items.delete(id);
  }

  vectors(id: string, space: string, kind?: Kind): Float32Array[] {
    const parts = this.items.get(id)?.parts ?? [];
    return parts.filter((part) => part.space === space && (!kind || part.kinds.includes(kind))).map(({ vector }) => vector);
  }

  known(field: string): boolean {
    return [...this.items.values()].some((item) => valuesOf(item, field).length > 0);
  }

  search({ space, vector, kinds: wanted = kinds, dimensions = vector.length, limit, filter = { all: [] }, exclude = [], groupBy = 'note', after, minScore = -Infinity }: IndexQuery): {
    hits: Hit[];
    examined: number;
  } {
    const rows = [...this.items.values()]
      .filter((item) => matches(filter, item))
      .flatMap((item) => item.parts.filter((part) => part.space === space && part.kinds.some((kind) => wanted.includes(kind))).map((part) => ({ item, part })));
    const hits = rows
      .filter(({ item }) => !exclude.includes(item.id))
      .map(({ item, part }) => {
        const hit: Hit = { id: item.id, score: cosine(vector, part.vector, dimensions), kinds: kinds.filter((kind) => part.kinds.includes(kind)), part: part.part, group: groupOf(item, groupBy) };
        return { hit, key: hit.group ?? (groupBy === 'part' ? part : item) };
      })
      .filter(({ hit }) => !Number.isNaN(hit.score) && hit.score >= minScore)
      .sort((a, b) => compare(a.hit, b.hit));
    const best = [...Map.groupBy(hits, ({ key }) => key).values()].map(([{ hit }]) => hit);
    const below = best.filter((hit) => !after || compare(hit, { ...after, kinds: [after.kind ?? kinds.at(-1)!] }) > 0);
    return { hits: below.slice(0, limit), examined: rows.length };
  }

  facets(fields: readonly string[], filter: Filter = { all: [] }, limit = 100): Map<string, FacetValue[]> {
    const items = [...this.items.values()].filter((item) => matches(filter, item));
    const counts = (field: string) => {
      const values = Map.groupBy(items.flatMap((item) => valuesOf(item, field)), (value) => value);
      return [...values].map(([value, { length }]) => ({ value, count: length })).sort((a, b) => b.count - a.count || compareValues(a.value, b.value));
    };
    return new Map(fields.map((field) => [field, counts(field).slice(0, limit)]));
  }
}

const compare = (a: Omit<Hit, 'group'>, b: Omit<Hit, 'group'>) =>
  b.score - a.score || (a.id < b.id ? -1 : Number(a.id > b.id)) || a.part - b.part || kinds.indexOf(a.kinds[0]) - kinds.indexOf(b.kinds[0]);

const isScalar = (value: unknown): value is AttributeValue => ['string', 'number', 'boolean'].includes(typeof value);

function valuesOf({ fields }: IndexedItem, field: string): AttributeValue[] {
  return Object.hasOwn(fields, field) ? [...new Set([fields[field]].flat().filter(isScalar))] : [];
}

function groupOf(item: IndexedItem, groupBy: GroupBy): AttributeValue | undefined {
  if (groupBy === 'part') return undefined;
  if (groupBy === 'note') return item.id;
  if (groupBy === 'duplicateCluster') return item.keeper ?? item.id;
  const values = valuesOf(item, groupBy.field);
  return values.length === 1 ? values[0] : undefined;
}

function matches(filter: Filter, item: IndexedItem): boolean {
  if ('all' in filter) return filter.all.every((each) => matches(each, item));
  if ('any' in filter) return filter.any.some((each) => matches(each, item));
  if ('not' in filter) return !matches(filter.not, item);
  const values = valuesOf(item, filter.field);
  if ('exists' in filter) return values.length > 0 === filter.exists;
  if ('in' in filter) return values.some((value) => filter.in.includes(value));
  const { gt = -Infinity, gte = -Infinity, lt = Infinity, lte = Infinity } = filter.range;
  return values.some((value) => typeof value === 'number' && value > gt && value >= gte && value < lt && value <= lte);
}

function compareValues(a: AttributeValue, b: AttributeValue): number {
  const order = ['number', 'string', 'boolean'];
  return order.indexOf(typeof a) - order.indexOf(typeof b) || (a < b ? -1 : 1);
}

/** Of whole vectors, which have length 1, the inner product; of prefixes divided by their lengths. */
function cosine(a: Float32Array, b: Float32Array, dimensions: number): number {
  let sum = 0;
  let squaresA = 0;
  let squaresB = 0;
  for (let i = 0; i < dimensions; i++) {
    sum += a[i] * b[i];
    squaresA += a[i] * a[i];
    squaresB += b[i] * b[i];
  }
  return dimensions === a.length ? sum : sum / (Math.sqrt(squaresA) * Math.sqrt(squaresB));
}
