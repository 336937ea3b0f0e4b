import { seededRandom } from '@touchstone/runtime/random';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CollectionIndex } from './collection-index.ts';
import { PlainIndex } from './plain-index.ts';
import { Scanner } from './scanner.ts';
import { normalised, unitVector } from './random-vectors.ts';
import { type Filter, type GroupBy, type Hit, type IndexedItem, type IndexQuery, type Kind, kinds } from './vector-index.ts';

/** Random operations on the index and on a map: every answer must be equal, order, scores and parts included. */
type Write = { do: 'upsert'; item: IndexedItem } | { do: 'delete'; id: string };
type Operation =
  | Write
  | { do: 'restart' }
  | { do: 'facets'; filter?: Filter; limit: number }
  /** Three pages, each after the last hit of the one before. */
  | { do: 'pages'; query: IndexQuery }
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
    if (pick(20) === 0) return Float32Array.from({ length: spaces.get(space)!.dimension }, (_, at) => (at === 2 ? 1 : 0)); // without a direction in one and two dimensions
    const vector = stock.get(space)![pick(15)];
    return pick(3) === 0 ? normalised(vector.map((value) => value + 1e-4 * (random() - 0.5))) : vector;
  };
  const id = () => `item-${pick(150)}`;
  // Sets of kinds that share none, as a part number comes once in each kind.
  const kindSets: (readonly Kind[])[][] = [[['text']], [['note', 'text'], ['ocr']], [['text'], ['image'], ['ocr'], ['note']]];
  const parts = (space: string) =>
    kindSets[pick(3)].flatMap((each) => some(2, () => each).map((each, part) => ({ space, kinds: each, part: part * 7, vector: draw(space) })));
  const item = (): IndexedItem => ({
    id: id(),
    keeper: pick(3) === 0 ? id() : undefined,
    fields: { ...(pick(5) > 0 && { category: pick(4) }), createdAt: pick(100), scores: some(3, () => pick(30) / 10), tags: some(3, () => `t${pick(6)}`), owner: `o${pick(100_000)}`, isNew: pick(2) === 0, nested: { category: 1 } },
    parts: [...spaces.keys()].flatMap(parts),
  });
  const write = (): Write => (pick(4) === 0 ? { do: 'delete', id: id() } : { do: 'upsert', item: item() });
  const query = (): IndexQuery => {
    const space = [...spaces.keys()][pick(2)];
    const first = pick(4);
    const groups: GroupBy[] = ['part', 'note', 'duplicateCluster', { field: 'category' }, { field: 'tags' }, { field: 'isNew' }];
    return {
      space,
      vector: stock.get(space)![pick(15)],
      kinds: pick(2) === 0 ? kinds.filter((kind, at) => at === first || pick(4) === 0) : undefined,
      dimensions: pick(4) === 0 ? 1 + pick(spaces.get(space)!.dimension) : undefined,
      limit: 1 + pick(20),
      filter: pick(2) === 0 ? filter(3) : undefined,
      exclude: some(2, id),
      groupBy: pick(2) === 0 ? groups[pick(groups.length)] : undefined,
      minScore: pick(5) === 0 ? random() - 0.3 : undefined,
      after: pick(5) === 0 ? { score: random(), id: id(), part: 7, kind: pick(2) === 0 ? kinds[pick(4)] : undefined } : undefined,
    };
  };
  const filter = (depth: number): Filter => {
    const leaves: Filter[] = [
      { field: 'category', in: some(3, () => pick(4)) },
      { field: 'tags', in: some(3, () => `t${pick(7)}`) },
      { field: 'isNew', in: [true] },
      { field: 'createdAt', range: { gte: pick(120) - 10 } },
      { field: 'scores', range: { gt: pick(30) / 10, lte: pick(30) / 10 } },
      { field: ['category', 'tags', 'nested', 'isNew'][pick(4)], exists: pick(2) === 0 },
    ];
    const kind = depth === 0 ? 5 : pick(9);
    if (kind === 0) return { not: filter(depth - 1) };
    if (kind < 3) return { any: some(3, () => filter(depth - 1)) };
    return kind < 5 ? { all: some(3, () => filter(depth - 1)) } : leaves[pick(leaves.length)];
  };
  return Array.from({ length: count }, (): Operation => {
    const kind = pick(100);
    if (kind < 60) return write();
    if (kind < 64) return { do: 'facets', filter: pick(2) === 0 ? filter(2) : undefined, limit: 1 + pick(9) };
    if (kind < 72) return { do: 'pages', query: { ...query(), limit: 3, after: undefined } };
    return kind < 99 ? { do: 'search', query: query(), meanwhile: pick(3) === 0 ? some(60, write) : [] } : { do: 'restart' };
  });
}

let folder: string;
/** Vectors in memory, scanned by threads; and in a file, scanned by the caller. */
let scanner: Scanner;
let scannerWithFile: Scanner;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vectors-'));
  scanner = await Scanner.start({ workers: 2, ownBytes: 0 });
  scannerWithFile = await Scanner.start({ workers: 1, vectorFolder: folder });
});
afterAll(async () => {
  await scanner.close();
  await scannerWithFile.close();
  await rm(folder, { recursive: true });
});

/** @returns the position of the first operation with a wrong answer and what was wrong, or nothing. */
async function firstDifference(operations: readonly Operation[], by: Scanner): Promise<{ at: number; actual: unknown; expected: unknown } | undefined> {
  const plain = new PlainIndex();
  let index = new CollectionIndex(by, spaces);
  const write = (operation: Write): [unknown, unknown] => {
    if (operation.do === 'delete') return [index.delete(operation.id), plain.delete(operation.id)];
    return [index.upsert(operation.item), plain.upsert(operation.item)];
  };
  try {
    for (const [at, operation] of operations.entries()) {
      const answers: unknown[][] = [];
      if (operation.do === 'restart') {
        index.close();
        index = new CollectionIndex(by, spaces);
        for (const item of plain.items.values()) index.upsert(item);
      } else if (operation.do === 'facets') {
        const fields = ['tags', 'category', 'createdAt', 'owner', 'nested'];
        answers.push([index.facets(fields, operation.filter, operation.limit), plain.facets(fields, operation.filter, operation.limit)]);
        answers.push(...['tags', 'nested', 'constructor'].map((field) => [index.known(field), plain.known(field)]));
      } else if (operation.do === 'pages') {
        const hits: Hit[] = [];
        const expected = plain.search({ ...operation.query, limit: 9 }).hits;
        for (let page = 0, last: Hit | undefined; page < 3 && (page === 0 || last); page++) {
          const after = last && { score: last.score, id: last.id, part: last.part, kind: last.kinds[0] };
          const answer = await index.search({ ...operation.query, after });
          hits.push(...answer.hits);
          last = answer.hits.at(-1);
        }
        answers.push([hits, expected]);
      } else if (operation.do === 'search') {
        const { examined } = plain.search(operation.query);
        const answer = index.search(operation.query);
        for (const meanwhile of operation.meanwhile) answers.push(write(meanwhile));
        answers.push([await answer, { hits: plain.search(operation.query).hits, examined, route: 'exact' }]);
      } else {
        answers.push(write(operation), [index.size, plain.items.size]);
        const id = operation.do === 'upsert' ? operation.item.id : operation.id;
        answers.push([[index.has(id), index.vectors(id, 'image')], [plain.items.has(id), plain.vectors(id, 'image')]]);
        answers.push([index.vectors(id, 'text', 'ocr'), plain.vectors(id, 'text', 'ocr')]);
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
async function shortest(operations: readonly Operation[], by: Scanner): Promise<readonly Operation[]> {
  let trace = operations;
  for (let run = trace.length >> 1; run >= 1; run >>= 1) {
    for (let from = 0; from < trace.length; ) {
      const without = trace.toSpliced(from, run);
      const difference = await firstDifference(without, by);
      if (difference) trace = without.slice(0, difference.at + 1);
      else from += run;
    }
  }
  return trace;
}

it.each([[1, 'memory'], [2, 'memory'], [3, 'a file'], [4, 'a file']])('answers as a plain map does, seed %d, vectors in %s', { timeout: 120_000 }, async (seed, place) => {
  const by = place === 'memory' ? scanner : scannerWithFile;
  const operations = randomOperations(seed, 2500);
  const difference = await firstDifference(operations, by);
  if (!difference) return;
  const trace = await shortest(operations.slice(0, difference.at + 1), by);
  expect.fail(`seed ${seed}, operation ${difference.at}, shortest trace:\n${trace.map((step) => JSON.stringify(step)).join('\n')}\n${JSON.stringify(await firstDifference(trace, by), undefined, 1)}`);
});
