import { describe, expect, it } from 'vitest';
import type { Space } from '../collection/spaces.ts';
import { ownVectors, VectorRefused } from './own-vectors.ts';

const spaces: Space[] = [
  { name: 'text', dimension: 2, modelVersion: 'words@1', kinds: ['text', 'ocr', 'note'] },
  { name: 'joint', dimension: 2, modelVersion: 'mine@1', kinds: ['text', 'image', 'ocr', 'note'] },
];

it('reads vectors of all kinds with length 1, however long they came', () => {
  const read = ownVectors({ joint: { text: [3, 4], note: [0, -1e-300], image: [[1e300, 0], []], ocr: [[], [0, 7]] } }, spaces, 2);
  expect(read.map(({ kind, part, vector }) => [kind, part, ...vector])).toEqual([
    ['text', 0, Math.fround(0.6), Math.fround(0.8)],
    ['note', 0, 0, -1],
    ['image', 0, 1, 0],
    ['ocr', 1, 0, 1],
  ]);
});

it('takes pictures that stayed elsewhere, and nothing for nothing', () => {
  expect(ownVectors({ joint: { image: [[1, 0], [0, 1], [1, 1]] } }, spaces, 0)).toHaveLength(3);
  expect(ownVectors({}, spaces, 3)).toEqual([]);
  expect(ownVectors({ text: { text: [], note: [], image: [], ocr: [] } }, spaces, 3)).toEqual([]);
});

describe('says what is wrong, and where', () => {
  it.each<[string, unknown, string, string]>([
    ['no object', [], 'invalid-request', ''],
    ['a space that the collection lacks', { other: { text: [1, 0] } }, 'space-not-found', '/other'],
    ['a space that holds no object', { text: [1, 0] }, 'invalid-request', '/text'],
    ['a kind that is none', { text: { title: [1, 0] } }, 'invalid-request', '/text/title'],
    ['a kind that the space lacks', { text: { image: [[1, 0]] } }, 'invalid-request', '/text/image'],
    ['a name of Object’s', { text: { constructor: [1, 0] } }, 'invalid-request', '/text/constructor'],
    ['no list', { text: { text: 5 } }, 'invalid-request', '/text/text'],
    ['too few numbers', { text: { note: [1] } }, 'wrong-dimension', '/text/note'],
    ['too many numbers', { joint: { image: [[1, 0], [1, 0, 0]] } }, 'wrong-dimension', '/joint/image/1'],
    ['NaN', { text: { text: [Number.NaN, 1] } }, 'invalid-request', '/text/text/0'],
    ['infinity', { text: { text: [1, Number.NEGATIVE_INFINITY] } }, 'invalid-request', '/text/text/1'],
    ['null', { text: { text: [1, null] } }, 'invalid-request', '/text/text/1'],
    ['a number as a string', { text: { text: ['1', 0] } }, 'invalid-request', '/text/text/0'],
    ['zeros', { joint: { ocr: [[], [0, -0]] } }, 'invalid-request', '/joint/ocr/1'],
    ['a list too few', { joint: { image: [[1, 0]] } }, 'invalid-request', '/joint/image'],
    ['no list of numbers', { joint: { image: [1, 0] } }, 'invalid-request', '/joint/image/0'],
  ])('%s', (_, vectors, why, pointer) => {
    expect(() => ownVectors(vectors, spaces, 2)).toThrow(VectorRefused);
    expect(() => ownVectors(vectors, spaces, 2)).toThrow(expect.objectContaining({ why, pointer }));
  });

  it('more pictures than an item may have', () => {
    expect(() => ownVectors({ joint: { image: Array.from({ length: 33 }, () => [1, 0]) } }, spaces, 0)).toThrow(expect.objectContaining({ pointer: '/joint/image' }));
  });
});
