import { seededRandom } from '@touchstone/runtime/random';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CollectionIndex } from './collection-index.ts';
import { PlainIndex } from './plain-index.ts';
import { Scanner } from './scanner.ts';
import { normalised, unitVector } from './random-vectors.ts';
import type { IndexedItem, IndexQuery } from './vector-index.ts';

/** Random operations on the index and on a map: every answer must be equal, order, scores and parts included. */
type Write = { do: 'upsert'; item: IndexedItem } | { do: 'delete'; id: string };
type Operation =
  | Write
  | { do: 'restart' }
  /** Searches while the writes happen: the answer is that of the moment when it comes. */
  | { do: 'search'; query: IndexQuery; meanwhile: readonly Write[] };

const spaces = new Map([
  ['text', { dimension: 5 }],
  ['image', { dimension: 33 }],
]);

function randomOperations(seed: number, count: number): Operation[] {
  const random = seededRandom(seed);
  const pick = (choices: number) => Math.floor(random() * choices);
  const some = <T>(most: number, draw: () => T) => Array.from({ length: pick(most + 1) }, draw);
  // Few different vectors, so that ties and nearly equal rows are common.
  const stock = new Map([...spaces].map(([space, { dimension }]) => [space, Array.from({ length: 15 }, () => unitVector(dimension, random))]));
  const draw = (space: string) => {
    const vector = stock.get(space)![pick(15)];
    return pick(3) === 0 ? normalised(vector.map((value) => value + 1e-4 * (random() - 0.5))) : vector;
  };
  const id = () => `item-${pick(150)}`;
  const item = (): IndexedItem => ({
    id: id(),
    fields: { category: pick(4), tags: some(3, () => `t${pick(6)}`), owner: `o${pick(100_000)}`, isNew: pick(2) === 0, nested: { category: 1 } },
    parts: [...spaces.keys()].flatMap((space) => some(3, () => space).map((name, part) => ({ space: name, kinds: ['text'] as const, part: part * 7, vector: draw(name) }))),
  });
  const write = (): Write => (pick(4) === 0 ? { do: 'delete', id: id() } : { do: 'upsert', item: item() });
  const query = (): IndexQuery => {
    const space = [...spaces.keys()][pick(2)];
    const conditions = [
      { field: 'category', in: some(3, () => pick(4)) },
      { field: 'tags', in: some(3, () => `t${pick(7)}`) },
      { field: 'isNew', in: [true] },
    ];
    return { space, vector: draw(space), limit: 1 + pick(20), filter: { all: conditions.filter(() => pick(3) === 0) }, exclude: some(2, id) };
  };
  return Array.from({ length: count }, (): Operation => {
    const kind = pick(100);
    if (kind < 60) return write();
    return kind < 99 ? { do: 'search', query: query(), meanwhile: pick(3) === 0 ? some(60, write) : [] } : { do: 'restart' };
  });
}

let scanner: Scanner;
beforeAll(async () => void (scanner = await Scanner.start({ workers: 2 })));
afterAll(() => scanner.close());

/** @returns the position of the first operation with a wrong answer and what was wrong, or nothing. */
async function firstDifference(operations: readonly Operation[]): Promise<{ at: number; actual: unknown; expected: unknown } | undefined> {
  const plain = new PlainIndex();
  let index = new CollectionIndex(scanner, spaces);
  const write = (operation: Write): [unknown, unknown] => {
    if (operation.do === 'delete') return [index.delete(operation.id), plain.delete(operation.id)];
    return [index.upsert(operation.item), plain.upsert(operation.item)];
  };
  try {
    for (const [at, operation] of operations.entries()) {
      const answers: unknown[][] = [];
      if (operation.do === 'restart') {
        index.close();
        index = new CollectionIndex(scanner, spaces);
        for (const item of plain.items.values()) index.upsert(item);
      } else if (operation.do === 'search') {
        const { examined } = plain.search(operation.query);
        const answer = index.search(operation.query);
        for (const meanwhile of operation.meanwhile) answers.push(write(meanwhile));
        answers.push([await answer, { hits: plain.search(operation.query).hits, examined, route: 'exact' }]);
      } else {
        answers.push(write(operation), [index.size, plain.items.size]);
        const id = operation.do === 'upsert' ? operation.item.id : operation.id;
        const stored = plain.items.get(id)?.parts.filter(({ space }) => space === 'image') ?? [];
        answers.push([[index.has(id), index.vectors(id, 'image')], [plain.items.has(id), stored.map(({ vector }) => vector)]]);
      }
      const wrong = answers.find(([actual, expected]) => !isDeepStrictEqual(actual, expected));
      if (wrong) return { at, actual: wrong[0], expected: wrong[1] };
    }
    return undefined;
  } finally {
    index.close();
  }
}

/** Leaves out ever smaller runs of operations as long as a difference remains. */
async function shortest(operations: readonly Operation[]): Promise<readonly Operation[]> {
  let trace = operations;
  for (let run = trace.length >> 1; run >= 1; run >>= 1) {
    for (let from = 0; from < trace.length; ) {
      const without = trace.toSpliced(from, run);
      const difference = await firstDifference(without);
      if (difference) trace = without.slice(0, difference.at + 1);
      else from += run;
    }
  }
  return trace;
}

it.each([1, 2, 3, 4])('answers as a plain map does, seed %d', { timeout: 120_000 }, async (seed) => {
  const operations = randomOperations(seed, 2500);
  const difference = await firstDifference(operations);
  if (!difference) return;
  const trace = await shortest(operations.slice(0, difference.at + 1));
  expect.fail(`seed ${seed}, operation ${difference.at}, shortest trace:\n${trace.map((step) => JSON.stringify(step)).join('\n')}\n${JSON.stringify(await firstDifference(trace), undefined, 1)}`);
});
