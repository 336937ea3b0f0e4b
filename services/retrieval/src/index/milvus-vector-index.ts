import { createHash } from 'node:crypto';
import { kindSet } from './kind-set.ts';
import { type Milvus, MilvusIndexLost, type MilvusRow } from './milvus.client.ts';
import { amongStrings, everything, kindsExpression, literal, milvusExpression, milvusFields, milvusKey } from './milvus-expression.ts';
import { product } from './milvus-prefix.ts';
import { allRows, itemColumns, pageRows, pages, rowColumns, rowsOf } from './milvus-rows.ts';
import { MilvusSearch } from './milvus-search.ts';
import type { AttributeValue, FacetValue, Filter, IndexedItem, IndexQuery, Kind, SearchResult, VectorIndex } from './vector-index.ts';

/** What happened to an item: it is now this, or it is gone. */
export type Change = { readonly item: IndexedItem } | { readonly deleted: string };

/** @throws Error when this process may no longer write, because another one may have taken over. */
export type MayWrite = () => Promise<void>;

/** The row of the items' collection that says how far the log was applied. */
const positionKey = ' position';

/**
 * The vectors of one collection in Milvus: a collection there for each space (its rows are parts), and one for the items. They belong
 * to nobody else, so no filter stands between tenants.
 *
 * Rows are never altered. A changed item is inserted under the position of its write, then its older rows are deleted, so it is
 * always found, and a search takes only the newest rows that it sees. Applying a change twice does nothing.
 *
 * One search sees at most 16,384 rows: pages and groups beyond those are a Problem, not-implemented. Lists of numbers are outside
 * every range, and a search may see a write half done until it is acknowledged.
 */
export class MilvusVectorIndex implements VectorIndex {
  readonly #names = new Map<string, string>();
  readonly #dimensions = new Map<string, number>();
  /** By the name of the collection. */
  readonly #searches = new Map<string, MilvusSearch>();
  readonly #itemsName: string;
  #size = 0;
  #position = -1;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly milvus: Milvus,
    private readonly key: string,
    spaces: ReadonlyMap<string, { dimension: number }>,
  ) {
    this.#itemsName = nameOf(`${key}/ items`);
    for (const [space, { dimension }] of spaces) this.#know(space, dimension);
  }

  /**
   * @param key what no other index in this Milvus has: tenant and collection.
   * @throws MilvusUnavailable
   */
  static async open(milvus: Milvus, key: string, spaces: ReadonlyMap<string, { dimension: number }>): Promise<MilvusVectorIndex> {
    const index = new MilvusVectorIndex(milvus, key, spaces);
    await index.locate();
    await index.ensure();
    return index;
  }

  /** As `open`, without a word to Milvus: the index is lost until it is located. */
  static at(milvus: Milvus, key: string, spaces: ReadonlyMap<string, { dimension: number }>): MilvusVectorIndex {
    return new MilvusVectorIndex(milvus, key, spaces);
  }

  /** Items, as far as this process knows: what others wrote is counted by `locate`. */
  get size(): number {
    return this.#size;
  }

  /** Whether parts in this space are kept. */
  hasSpace(space: string): boolean {
    return this.#names.has(space);
  }

  /** Of the last write that was applied, by whichever process; -1 while there is no whole index. */
  get position(): number {
    return this.#position;
  }

  /** Reads how far the index is. */
  async locate(): Promise<void> {
    const present = await Promise.all([this.#itemsName, ...this.#names.values()].map((name) => this.milvus.has(name)));
    const row = present.every(Boolean) ? await this.#positionRow() : undefined;
    this.#position = row ? Number((row.fields as { position: number }).position) : -1;
    this.#size = row ? await this.milvus.count(this.#itemsName, everything) : 0;
  }

  /** Makes the index anew where it is not whole: what is left is of no use alone. For one process at a time, as `apply`. */
  async ensure(): Promise<void> {
    if (this.#position >= 0) return;
    await this.drop();
    await this.milvus.create(this.#itemsName, `Touchstone: items of ${this.key}`, itemColumns, 2);
    for (const [space, name] of this.#names) await this.#create(space, name, this.#dimensions.get(space)!);
    await this.milvus.upsert(this.#itemsName, [{ id: positionKey, position: 0, fields: { position: 0 }, vector: [1, 0] }]);
    this.#position = 0;
  }

  async addSpace(space: string, dimension: number): Promise<void> {
    if (this.#names.has(space)) throw new RangeError(`Space ${space} is there already.`);
    const name = this.#know(space, dimension);
    try {
      await this.#create(space, name, dimension);
    } catch (error) {
      this.#names.delete(space); // so it can be added again
      throw error;
    }
  }

  async dropSpace(space: string): Promise<void> {
    const name = this.#name(space);
    this.#names.delete(space);
    this.#dimensions.delete(space);
    this.#searches.delete(name);
    await this.milvus.drop(name);
  }

  /** Applies whole writes up to a position, in order. Only one process at a time may; a second one would undo newer changes. */
  apply(changes: readonly Change[], position: number, mayWrite: MayWrite = async () => undefined): Promise<void> {
    return this.#inTurn(() => this.#apply(changes, position, mayWrite));
  }

  async #apply(changes: readonly Change[], position: number, mayWrite: MayWrite = async () => undefined): Promise<void> {
    const newest = new Map(changes.map((change) => ['item' in change ? change.item.id : change.deleted, change]));
    const items = [...newest.values()].flatMap((change) => ('item' in change ? [change.item] : []));
    const ids = [...newest.keys()];
    for (const item of items) this.#check(item);
    for (let start = 0; start < ids.length; start += pageRows) {
      const some = new Set(ids.slice(start, start + pageRows));
      await this.#write([...some], items.filter(({ id }) => some.has(id)), position, mayWrite);
    }
    await mayWrite();
    await this.milvus.upsert(this.#itemsName, [{ id: positionKey, position: 0, fields: { position }, vector: [1, 0] }]);
    this.#position = position;
    this.#size = await this.milvus.count(this.#itemsName, everything);
  }

  upsert(item: IndexedItem): Promise<void> {
    return this.#inTurn(() => this.#apply([{ item }], this.#position + 1));
  }

  delete(id: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const wasThere = await this.has(id);
      await this.#apply([{ deleted: id }], this.#position + 1);
      return wasThere;
    });
  }

  async has(id: string): Promise<boolean> {
    return (await this.milvus.query(this.#itemsName, amongStrings('id', [id]), ['id'])).length > 0;
  }

  async vectors(id: string, space: string, kind?: Kind): Promise<readonly Float32Array[]> {
    const expression = `${amongStrings('item', [id])}${kind ? ` && ${kindsExpression([kind])}` : ''}`;
    const rows = await this.milvus.query(this.#name(space), expression, ['item', 'position', 'ordinal', 'vector']);
    const newest = Math.max(...rows.map(({ position }) => Number(position)));
    return rows
      .filter(({ position }) => Number(position) === newest)
      .sort((a, b) => Number(a.ordinal) - Number(b.ordinal))
      .map(({ vector }) => Float32Array.from(vector as number[]));
  }

  async known(field: string): Promise<boolean> {
    const rows = await this.milvus.query(this.#itemsName, `${everything} && (exists fields[${literal(milvusKey(field))}])`, ['id'], 1);
    return rows.length > 0;
  }

  async search(query: IndexQuery): Promise<SearchResult> {
    try {
      return await this.#search(query);
    } catch (error) {
      if (error instanceof MilvusIndexLost) this.#position = -1; // so it is seen to lag, and built again
      throw error;
    }
  }

  async #search(query: IndexQuery): Promise<SearchResult> {
    const { space, vector, limit } = query;
    this.#checkVector(vector, space, `Query, space ${space}`);
    if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`limit: expected an integer of at least 1, got ${limit}.`);
    const name = this.#name(space);
    let search = this.#searches.get(name);
    if (!search) this.#searches.set(name, (search = new MilvusSearch(this.milvus, name, vector.length)));
    return search.search(query);
  }

  async facets(fields: readonly string[], filter?: Filter, limit = Infinity): Promise<ReadonlyMap<string, readonly FacetValue[]>> {
    const counts = new Map(fields.map((field) => [field, new Map<AttributeValue, number>()]));
    const expression = filter ? `${everything} && ${milvusExpression(filter)}` : everything;
    for await (const page of pages(this.milvus, this.#itemsName, 'id', expression, ['fields'])) {
      for (const row of page) {
        for (const [field, values] of counts) {
          const stored = (row.fields as Record<string, AttributeValue | AttributeValue[]>)[milvusKey(field)];
          for (const value of new Set(stored === undefined ? [] : [stored].flat())) values.set(value, (values.get(value) ?? 0) + 1);
        }
      }
    }
    return new Map([...counts].map(([field, values]) => [field, [...values].map(([value, count]) => ({ value, count })).sort(byCount).slice(0, limit)]));
  }

  /** Nothing is held here. */
  close(): void {}

  /** Waits until the graphs over everything written so far are built. Searches are right without it. */
  async seal(): Promise<void> {
    await this.milvus.seal([...this.#names.values()]);
  }

  /** Ends the index in Milvus. */
  async drop(): Promise<void> {
    for (const name of [this.#itemsName, ...this.#names.values()]) await this.milvus.drop(name);
  }

  /** Writes wait for each other. */
  #inTurn<Result>(write: () => Promise<Result>): Promise<Result> {
    const done = this.#writing.then(write);
    this.#writing = done.catch(() => undefined);
    return done;
  }

  #know(space: string, dimension: number): string {
    if (!Number.isInteger(dimension) || dimension < 2 || dimension > 32_768) throw new RangeError(`Space ${space}: Milvus takes a dimension from 2 to 32768, got ${dimension}.`);
    const name = nameOf(`${this.key}/${space}/${dimension}`);
    this.#names.set(space, name);
    this.#dimensions.set(space, dimension);
    return name;
  }

  async #create(space: string, name: string, dimension: number): Promise<void> {
    if (!(await this.milvus.has(name))) await this.milvus.create(name, `Touchstone: ${space} of ${this.key}`, rowColumns, dimension);
  }

  async #positionRow(): Promise<MilvusRow | undefined> {
    const ask = () => this.milvus.query(this.#itemsName, amongStrings('id', [positionKey]), ['fields']);
    try {
      return (await ask())[0];
    } catch (error) {
      if (!(error instanceof MilvusIndexLost)) throw error;
      for (const name of [this.#itemsName, ...this.#names.values()]) await this.milvus.load(name); // Milvus was restarted
      return (await ask())[0];
    }
  }

  async #write(ids: readonly string[], items: readonly IndexedItem[], position: number, mayWrite: MayWrite): Promise<void> {
    for (const [space, name] of this.#names) {
      const isFirst = this.#size === 0 && (await this.milvus.count(name, everything)) === 0;
      const rows = items.flatMap((item) => rowsOf(item, space, position));
      const keys = new Set(rows.map(({ key }) => key));
      const stored = isFirst ? [] : (await allRows(this.milvus, name, 'key', amongStrings('item', ids), ['key'])).map(({ key }) => String(key));
      const present = new Set(stored);
      await mayWrite();
      await this.milvus.insert(name, rows.filter(({ key }) => !present.has(key)));
      await this.milvus.delete(name, 'key', stored.filter((key) => !keys.has(key)));
    }
    const kept = new Set(items.map(({ id }) => id));
    await mayWrite();
    await this.milvus.upsert(this.#itemsName, items.map(({ id, fields }) => ({ id, position, fields: milvusFields(fields), vector: [1, 0] })));
    await this.milvus.delete(this.#itemsName, 'id', ids.filter((id) => !kept.has(id)));
  }

  #check(item: IndexedItem): void {
    const seen = new Set<string>();
    for (const { space, kinds, part, vector } of item.parts) {
      kindSet(kinds);
      if (!Number.isInteger(part) || part < 0 || part > 0xffffffff) throw new RangeError(`Item ${item.id}: expected a part from 0 to 4294967295, got ${part}.`);
      for (const kind of kinds) {
        const key = `${part} ${kind} ${space}`;
        if (seen.has(key)) throw new RangeError(`Item ${item.id}: part ${part} comes twice as ${kind} in space ${space}.`);
        seen.add(key);
      }
      this.#checkVector(vector, space, `Item ${item.id}, space ${space}, part ${part}`);
    }
  }

  #checkVector(vector: Float32Array, space: string, what: string): void {
    this.#name(space);
    const dimension = this.#dimensions.get(space)!;
    if (vector.length !== dimension) throw new RangeError(`${what}: expected ${dimension} numbers, got ${vector.length}.`);
    const squares = product(vector, vector);
    if (!Number.isFinite(squares)) throw new RangeError(`${what}: expected finite numbers, got ${vector.find((value) => !Number.isFinite(value))}.`);
    if (squares === 0) throw new RangeError(`${what}: a vector of zeros has no direction.`);
  }

  #name(space: string): string {
    const name = this.#names.get(space);
    if (!name) throw new RangeError(`Space ${space} is not known; the collection has ${[...this.#names.keys()].join(', ') || 'none'}.`);
    return name;
  }
}

/** Milvus takes letters, digits and underscores only. */
const nameOf = (key: string): string => `touchstone_${createHash('sha256').update(key).digest('hex').slice(0, 40)}`;

const typeOrder = ['number', 'string', 'boolean'];
const byCount = (a: FacetValue, b: FacetValue): number =>
  b.count - a.count || typeOrder.indexOf(typeof a.value) - typeOrder.indexOf(typeof b.value) || (a.value < b.value ? -1 : 1);
