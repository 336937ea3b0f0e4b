import { afterAll, beforeAll } from 'vitest';
import { CollectionIndex } from './collection-index.ts';
import { Scanner } from './scanner.ts';
import { type Subject, vectorIndexContract } from './vector-index.contract.ts';
import type { IndexedItem } from './vector-index.ts';

let scanner: Scanner;
beforeAll(async () => void (scanner = await Scanner.start({ workers: 2 })));
afterAll(() => scanner?.close());

/** Keeps its writes, as the item log does: the index itself has nothing on disk. */
async function open(spaces: ReadonlyMap<string, { dimension: number }>, log = new Map<string, IndexedItem>()): Promise<Subject> {
  const index = new CollectionIndex(scanner, spaces);
  for (const item of log.values()) index.upsert(item);
  const logged = new Proxy(index, {
    get(_, name) {
      if (name === 'upsert') return (item: IndexedItem) => (index.upsert(item), void log.set(item.id, item));
      if (name === 'delete') return (id: string) => (log.delete(id), index.delete(id));
      const value = Reflect.get(index, name, index) as unknown;
      return typeof value === 'function' ? value.bind(index) : value;
    },
  });
  return {
    index: logged,
    load: async (items) => items.forEach((item) => logged.upsert(item)),
    settle: async () => undefined,
    async restart() {
      index.close();
      return open(spaces, log);
    },
    close: async () => index.close(),
  };
}

vectorIndexContract('in process', open, { recall: 0.995, items: 8_000, operations: 200 });
