import { expect, it } from 'vitest';
import { contentHash } from './content-hash.ts';

const content = {
  title: 'a',
  body: 'b',
  images: [
    { sha256: '1', ocrText: 'one' },
    { sha256: '2', ocrText: '' },
  ],
  category: 'c',
  author: 'd',
  createdAt: new Date(5),
  attributes: { x: { b: 1, a: [{ d: 1, c: 2 }] }, y: null },
  vectorHashes: ['text text 0 ff'],
};
const [first, second] = content.images;

it('does not depend on the order of names', () => {
  expect(contentHash({ ...content, attributes: { y: null, x: { a: [{ c: 2, d: 1 }], b: 1 } } })).toBe(contentHash(content));
});

it.each([
  ['title', { title: 'ab', body: '' }],
  ['the order of pictures', { images: [second, first] }],
  ['a picture less', { images: [first] }],
  ['the picture that has a text', { images: [{ ...first, ocrText: '' }, { ...second, ocrText: 'one' }] }],
  ['category', { category: 'd', author: 'c' }],
  ['a date that was not said', { createdAt: undefined }],
  ['an attribute', { attributes: { ...content.attributes, y: 0 } }],
  ['the order of a list', { attributes: { x: { b: 1, a: [{ c: 2 }, { d: 1 }] } } }],
  ['a number as a string', { attributes: { ...content.attributes, y: 'null' } }],
  ['a vector', { vectorHashes: ['text note 0 ff'] }],
])('depends on %s', (_, change) => expect(contentHash({ ...content, ...change })).not.toBe(contentHash(content)));
