import { expect, it } from 'vitest';
import { contentHash } from './content-hash.ts';

const content = { title: 'a', body: 'b', imageHashes: ['1', '2'], attributes: { x: { b: 1, a: [{ d: 1, c: 2 }] }, y: null } };

it('does not depend on the order of names', () => {
  expect(contentHash({ ...content, attributes: { y: null, x: { a: [{ c: 2, d: 1 }], b: 1 } } })).toBe(contentHash(content));
});

it.each([
  ['title', { title: 'ab', body: '' }],
  ['the order of pictures', { imageHashes: ['2', '1'] }],
  ['a picture less', { imageHashes: ['1'] }],
  ['an attribute', { attributes: { ...content.attributes, y: 0 } }],
  ['the order of a list', { attributes: { x: { b: 1, a: [{ c: 2 }, { d: 1 }] } } }],
  ['a number as a string', { attributes: { ...content.attributes, y: 'null' } }],
])('depends on %s', (_, change) => expect(contentHash({ ...content, ...change })).not.toBe(contentHash(content)));
