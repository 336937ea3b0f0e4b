import { describe, expect, it } from 'vitest';
import { itemLine } from './item-line.ts';

const spaces = [
  { name: 'text', dimension: 2, modelVersion: 'm@1' },
  { name: 'image', dimension: 3, modelVersion: 'n@1' },
];

it('reads an item as the contract has it, and vectors of its own with length 1', () => {
  const line = JSON.stringify({ id: 'a', title: 'T', attributes: { x: [1, null] }, vectors: { text: [3, 4], image: [[0, 0, 2], [1, 0, 0]] } });
  expect(itemLine(line, spaces)).toEqual({
    id: 'a',
    title: 'T',
    body: '',
    attributes: { x: [1, null] },
    images: [],
    vectors: { text: [new Float32Array([0.6, 0.8])], image: [new Float32Array([0, 0, 1]), new Float32Array([1, 0, 0])] },
  });
});

it('takes pictures as base64', () => {
  expect(itemLine('{"id":"a","images":[{"base64":"aGVsbG8="}]}', spaces)).toMatchObject({ images: [{ source: 'base64', file: new TextEncoder().encode('hello') }] });
});

describe('says what is wrong, and where', () => {
  it.each<[string, string, string]>([
    ['no JSON', '{"id":', ''],
    ['a list', '[]', ''],
    ['an unknown field', '{"id":"a","titel":"x"}', ''],
    ['a wrong type', '{"id":"a","title":5}', ''],
    ['an id that is none', '{"id":"a:b","title":"x"}', '/id'],
    ['a title too long', JSON.stringify({ id: 'a', title: 'x'.repeat(1001) }), '/title'],
    ['U+0000', '{"id":"a","attributes":{"x":["\\u0000"]}}', '/attributes/x/0'],
    ['half of a surrogate pair', '{"id":"a","title":"\\ud800"}', '/title'],
    ['a name __proto__', '{"id":"a","attributes":{"__proto__":1}}', '/attributes'],
    ['nesting without end', `{"id":"a","attributes":${'{"x":'.repeat(100)}1${'}'.repeat(100)}}`, `/attributes${'/x'.repeat(31)}`],
    ['a picture of a blob', JSON.stringify({ id: 'a', images: [{ blobId: 'a'.repeat(64) }] }), '/images/0'],
    ['a vector of an unknown space', '{"id":"a","vectors":{"joint":[1]}}', '/vectors/joint'],
    ['a vector too short', '{"id":"a","vectors":{"text":[1]}}', '/vectors/text'],
    ['a vector of zeros', '{"id":"a","vectors":{"image":[[0,0,0]]}}', '/vectors/image/0'],
    ['a vector of words', '{"id":"a","vectors":{"text":["x","y"]}}', '/vectors/text'],
    ['vectors that are none', '{"id":"a","vectors":[1]}', '/vectors'],
  ])('%s', (_, line, pointer) => {
    const found = itemLine(line, spaces);
    expect(Array.isArray(found)).toBe(true);
    expect((found as readonly { pointer?: string }[])[0].pointer).toBe(pointer);
  });
});
