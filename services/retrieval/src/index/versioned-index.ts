import type { Filter, IndexedItem, IndexQuery, Kind, VectorIndex } from './vector-index.ts';

/** A version of a space, as the index names it. */
export interface VersionedSpace {
  readonly key: string;
  readonly dimension: number;
  /** The plain name that stands for it when it is the active version. */
  readonly name?: string;
}

/**
 * An index of spaces with versions: each version is a space of its own with its own key, and the plain name of a space
 * stands for its active version. Who embeds a query and searches a moment later takes the key, which stays what it is
 * whatever becomes active meanwhile.
 */
export class VersionedIndex implements VectorIndex {
  readonly #spaces: Map<string, VersionedSpace>;
  #active: ReadonlyMap<string, string>;

  /** @param spaces that `versions` has. */
  constructor(
    private readonly versions: VectorIndex,
    spaces: readonly VersionedSpace[],
  ) {
    this.#spaces = new Map(spaces.map((space) => [space.key, space]));
    this.#active = activeOf(spaces);
  }

  get size(): number {
    return this.versions.size;
  }

  /** Adds versions that are new, then lets names mean the active ones, then drops what is gone, with its memory. */
  async keep(spaces: readonly VersionedSpace[]): Promise<void> {
    for (const space of spaces) {
      if (this.#spaces.has(space.key)) continue;
      await this.versions.addSpace(space.key, space.dimension);
      this.#spaces.set(space.key, space);
    }
    this.#active = activeOf(spaces);
    for (const key of [...this.#spaces.keys()].filter((known) => spaces.every((space) => space.key !== known))) {
      this.#spaces.delete(key);
      await this.versions.dropSpace(key);
    }
  }

  /** The item without parts of versions that are not kept. */
  inKeptVersions(item: IndexedItem): IndexedItem {
    return { ...item, parts: item.parts.filter(({ space }) => this.#spaces.has(space)) };
  }

  addSpace(name: string, dimension: number) {
    return this.versions.addSpace(name, dimension);
  }

  dropSpace(name: string) {
    return this.versions.dropSpace(name);
  }

  /** The parts name their version by its key. */
  upsert(item: IndexedItem) {
    return this.versions.upsert(this.inKeptVersions(item));
  }

  delete(id: string) {
    return this.versions.delete(id);
  }

  has(id: string) {
    return this.versions.has(id);
  }

  vectors(id: string, space: string, kind?: Kind) {
    return this.versions.vectors(id, this.keyOf(space), kind);
  }

  known(field: string) {
    return this.versions.known(field);
  }

  search(query: IndexQuery) {
    return this.versions.search({ ...query, space: this.keyOf(query.space) });
  }

  facets(fields: readonly string[], filter?: Filter, limit?: number) {
    return this.versions.facets(fields, filter, limit);
  }

  close() {
    return this.versions.close();
  }

  /** Of the active version for a plain name; a key is its own. */
  keyOf(space: string): string {
    return this.#active.get(space) ?? space;
  }
}

const activeOf = (spaces: readonly VersionedSpace[]) => new Map(spaces.flatMap(({ key, name }) => (name === undefined ? [] : [[name, key]])));
