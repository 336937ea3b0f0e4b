import type { JsonValue } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import type { ItemContent } from '../item/item-content.ts';
import { type Batch, batches, type BatchLimits, oneAhead } from './batches.ts';
import type { ImportRow } from './import-row.ts';

const wide: BatchLimits = { items: 100, pictures: 100, bytes: 1e9, refusals: 100 };

/** A row of ten bytes says an id and how many pictures it has, `!` is refused. */
const read = (json: JsonValue): ItemContent | { pointer?: string; detail: string }[] => {
  const text = json as string;
  if (text === '!') return [{ pointer: '/id', detail: 'no' }];
  const [id, pictures = '0'] = text.split(':');
  return { id, images: Array.from({ length: Number(pictures) }) } as unknown as ItemContent;
};

async function* rowsOf(texts: readonly string[]): AsyncIterable<ImportRow> {
  for (const [index, json] of texts.entries()) yield { number: index + 1, end: (index + 1) * 10, ...(json === 'cut' ? { refusal: { pointer: '', detail: 'is too long' } } : { json }) };
}

async function gathered(texts: readonly string[], limits: Partial<BatchLimits> = {}): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of batches(rowsOf(texts), read, { ...wide, ...limits })) found.push(shown(batch));
  return found;
}

const shown = ({ items, refusals, line, end }: Batch) => `${items.map((item) => `${item.line}${item.content.id}`).join(' ')} | ${refusals.map((each) => `${each.line}${each.pointer}`).join(' ')} | ${line} ${end}`;

it.each<[string, string[], Partial<BatchLimits>, string[]]>([
  ['nothing', [], {}, []],
  ['one batch with its refusals', ['a', '!', 'cut', 'b'], {}, ['1a 4b | 2/id 3 | 4 40']],
  ['only refusals', ['!'], {}, [' | 1/id | 1 10']],
  ['as many items as fit', ['a', 'b', 'c'], { items: 2 }, ['1a 2b |  | 2 20', '3c |  | 3 30']],
  ['an id again in the next batch', ['a', 'b', 'a', 'b'], {}, ['1a 2b |  | 2 20', '3a 4b |  | 4 40']],
  ['as many pictures as fit', ['a:2', 'b:1', 'c:1', 'd:3'], { pictures: 3 }, ['1a 2b |  | 2 20', '3c |  | 3 30', '4d |  | 4 40']],
  ['as many bytes as fit', ['a', 'b', 'c', 'd', 'e'], { bytes: 20 }, ['1a 2b 3c |  | 3 30', '4d 5e |  | 5 50']],
  ['a line that alone is too long', ['a', 'b'], { bytes: 5 }, ['1a |  | 1 10', '2b |  | 2 20']],
  ['as many refusals as fit', ['!', '!', '!', 'a'], { refusals: 2 }, [' | 1/id 2/id | 2 20', '4a | 3/id | 4 40']],
])('gathers %s', async (_, texts, limits, expected) => expect(await gathered(texts, limits)).toEqual(expected));

async function* noted(log: string[], until = 3): AsyncIterable<number> {
  try {
    for (let value = 1; value <= until; value++) {
      log.push(`made ${value}`);
      yield value;
    }
    if (until > 3) throw new Error('broken');
  } finally {
    log.push('ended');
  }
}

it('makes the next value while one is used', async () => {
  const log: string[] = [];
  for await (const value of oneAhead(noted(log))) {
    await Promise.resolve();
    log.push(`used ${value}`);
  }
  expect(log).toEqual(['made 1', 'made 2', 'used 1', 'made 3', 'used 2', 'ended', 'used 3']);
});

it('ends the source when its user stops, and throws what the source throws when its turn comes', async () => {
  const log: string[] = [];
  for await (const value of oneAhead(noted(log))) if (value === 1) break;
  expect(log).toEqual(['made 1', 'made 2', 'ended']);
  const used: number[] = [];
  await expect(async () => {
    for await (const value of oneAhead(noted([], 4))) used.push(value);
  }).rejects.toThrow('broken');
  expect(used).toEqual([1, 2, 3, 4]);
});
