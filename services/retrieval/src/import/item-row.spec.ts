import { describe, expect, it } from 'vitest';
import type { Space } from '../collection/spaces.ts';
import { itemRow } from './item-row.ts';

const itemLine = (line: string, spaces: readonly Space[]) => itemRow(JSON.parse(line), spaces);

const spaces: Space[] = [
  { name: 'text', dimension: 2, modelVersion: 'm@1', kinds: ['text', 'ocr', 'note'] },
  { name: 'image', dimension: 3, modelVersion: 'n@1', kinds: ['image'] },
];

it('reads an item as the contract has it, and vectors of its own with length 1', () => {
  const line = JSON.stringify({
    id: 'a',
    title: 'T',
    category: 'news',
    author: 'ann',
    createdAt: '2026-01-31T12:00:00Z',
    attributes: { x: [1, null] },
    vectors: { text: { text: [3, 4] }, image: { image: [[0, 0, 2], [1, 0, 0]] } },
  });
  expect(itemLine(line, spaces)).toEqual({
    id: 'a',
    title: 'T',
    body: '',
    category: 'news',
    author: 'ann',
    createdAt: new Date('2026-01-31T12:00:00Z'),
    attributes: { x: [1, null] },
    images: [],
    vectors: [
      { space: 'text', kind: 'text', part: 0, vector: new Float32Array([0.6, 0.8]) },
      { space: 'image', kind: 'image', part: 0, vector: new Float32Array([0, 0, 1]) },
      { space: 'image', kind: 'image', part: 1, vector: new Float32Array([1, 0, 0]) },
    ],
  });
});

it('takes pictures as base64, with the text in them', () => {
  expect(itemLine('{"id":"a","images":[{"base64":"aGVsbG8=","ocrText":"hello"}]}', spaces)).toMatchObject({
    images: [{ source: 'base64', file: new TextEncoder().encode('hello'), ocrText: 'hello' }],
  });
});

describe('says what is wrong, and where', () => {
  it.each<[string, string, string]>([
    ['a list', '[]', ''],
    ['an unknown field', '{"id":"a","titel":"x"}', ''],
    ['a wrong type', '{"id":"a","title":5}', ''],
    ['an id that is none', '{"id":"a:b","title":"x"}', '/id'],
    ['a title too long', JSON.stringify({ id: 'a', title: 'x'.repeat(1001) }), '/title'],
    ['a text of a picture too long', JSON.stringify({ id: 'a', images: [{ base64: 'aGVsbG8=', ocrText: 'x'.repeat(20_001) }] }), '/images/0/ocrText'],
    ['a day that is none', '{"id":"a","title":"x","createdAt":"2026-02-31"}', ''],
    ['U+0000', '{"id":"a","attributes":{"x":["\\u0000"]}}', '/attributes/x/0'],
    ['half of a surrogate pair', '{"id":"a","title":"\\ud800"}', '/title'],
    ['a name __proto__', '{"id":"a","attributes":{"__proto__":1}}', '/attributes'],
    ['nesting without end', `{"id":"a","attributes":${'{"x":'.repeat(100)}1${'}'.repeat(100)}}`, `/attributes${'/x'.repeat(31)}`],
    ['a picture of a blob', JSON.stringify({ id: 'a', images: [{ blobId: 'a'.repeat(64) }] }), '/images/0'],
    ['a vector of an unknown space', '{"id":"a","vectors":{"joint":{"text":[1]}}}', '/vectors/joint'],
    ['a vector of the form of before', '{"id":"a","vectors":{"text":[1,0]}}', '/vectors/text'],
    ['a vector too short', '{"id":"a","vectors":{"text":{"text":[1]}}}', '/vectors/text/text'],
    ['a vector of zeros', '{"id":"a","vectors":{"image":{"image":[[0,0,0]]}}}', '/vectors/image/image/0'],
    ['a vector of words', '{"id":"a","vectors":{"text":{"text":["x","y"]}}}', '/vectors/text/text/0'],
    ['vectors that are none', '{"id":"a","vectors":[1]}', '/vectors'],
  ])('%s', (_, line, pointer) => {
    const found = itemLine(line, spaces);
    expect(Array.isArray(found)).toBe(true);
    expect((found as readonly { pointer?: string }[])[0].pointer).toBe(pointer);
  });
});
