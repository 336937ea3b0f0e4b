import { describe, expect, it } from 'vitest';
import type { Space } from '../collection/spaces.ts';
import { itemParts, type SearchableItem } from './item-parts.ts';
import type { OwnVector } from './own-vectors.ts';

const text: Space = { name: 'text', dimension: 2, modelVersion: 'words@1', kinds: ['text', 'ocr', 'note'] };
const image: Space = { name: 'image', dimension: 2, modelVersion: 'eyes@1', kinds: ['image'] };
const joint: Space = { name: 'joint', dimension: 2, modelVersion: 'mine@1', kinds: ['text', 'image', 'ocr', 'note'] };

const own = (space: string, kind: OwnVector['kind'], ...values: number[]): OwnVector => ({ space, kind, part: 0, vector: Float32Array.from(values) });
const item = (change: Partial<SearchableItem>): SearchableItem => ({ title: '', body: '', images: [], vectors: [], ...change });
const picture = (sha256: string, ocrText = '') => ({ sha256, ocrText });

/** Parts in short: space, kinds, part, and what is embedded or `own`. */
function shown(change: Partial<SearchableItem>, spaces: readonly Space[]): string[] {
  return itemParts(item(change), spaces).map(({ space, kinds, part, content }) => {
    if ('vector' in content) return `${space} ${kinds.join('+')} ${part} own`;
    const what = [...(content.text === '' ? [] : [JSON.stringify(content.text)]), ...content.images.map((image) => `picture ${image}`)].join(', ');
    return `${space} ${kinds.join('+')} ${part} ${what}`;
  });
}

describe('in the space text', () => {
  it.each<[string, Partial<SearchableItem>, string[]]>([
    ['nothing', { title: ' ', images: [picture('a', '\n')] }, []],
    ['title and body, which are the note too', { title: 'T', body: 'B' }, ['text text+note 0 "T\\nB"']],
    ['a title alone', { title: 'T', images: [picture('a')] }, ['text text+note 0 "T"']],
    ['texts of pictures, each by itself and in the note', { body: 'B', images: [picture('a', 'x'), picture('b'), picture('c', 'y')] }, ['text text 0 "B"', 'text ocr 0 "x"', 'text ocr 2 "y"', 'text note 0 "B\\nx\\ny"']],
    ['one text of a picture and nothing else: it is the note too', { images: [picture('a'), picture('b', 'x')] }, ['text ocr+note 1 "x"']],
    ['two equal texts of pictures', { images: [picture('a', 'x'), picture('b', 'x')] }, ['text ocr 0 "x"', 'text ocr 1 "x"', 'text note 0 "x\\nx"']],
    ['a vector of the caller’s for the text, which is the note too', { title: 'T', vectors: [own('text', 'text', 1, 0)] }, ['text text+note 0 own']],
    ['a vector of the caller’s for the text, which is not the note', { title: 'T', images: [picture('a', 'x')], vectors: [own('text', 'text', 1, 0)] }, ['text text 0 own', 'text ocr 0 "x"', 'text note 0 "T\\nx"']],
    ['a vector of the caller’s for the note alone', { title: 'T', vectors: [own('text', 'note', 1, 0)] }, ['text text 0 "T"', 'text note 0 own']],
    ['one vector of the caller’s for both', { vectors: [own('text', 'note', 1, 0), own('text', 'text', 1, 0)] }, ['text text+note 0 own']],
  ])('%s', (_, change, expected) => expect(shown(change, [text])).toEqual(expected));
});

describe('in the joint space of the platform', () => {
  const platform: Space = { ...joint, isJoint: true };

  it.each<[string, Partial<SearchableItem>, string[]]>([
    ['a text, which is the note too', { title: 'T', body: 'B' }, ['joint text+note 0 "T\\nB"']],
    ['a picture, which is the note too', { images: [picture('a')] }, ['joint image+note 0 picture 0']],
    ['text and picture, and both as the note', { title: 'T', images: [picture('a')] }, ['joint text 0 "T"', 'joint image 0 picture 0', 'joint note 0 "T", picture 0']],
    [
      'everything',
      { title: 'T', images: [picture('a', 'x'), picture('b')] },
      ['joint text 0 "T"', 'joint image 0 picture 0', 'joint image 1 picture 1', 'joint ocr 0 "x"', 'joint note 0 "T\\nx", picture 0, picture 1'],
    ],
    ['two pictures without a word', { images: [picture('a'), picture('b')] }, ['joint image 0 picture 0', 'joint image 1 picture 1', 'joint note 0 picture 0, picture 1']],
    ['a vector of the caller’s for the text, which is the note too', { title: 'T', vectors: [own('joint', 'text', 1, 0)] }, ['joint text+note 0 own']],
    ['a text and a vector of the caller’s for a picture that stays elsewhere: the text is the note', { title: 'T', vectors: [own('joint', 'image', 1, 0)] }, ['joint text+note 0 "T"', 'joint image 0 own']],
    ['a vector of the caller’s for a picture and nothing else', { vectors: [own('joint', 'image', 1, 0)] }, ['joint image+note 0 own']],
    ['a vector of the caller’s for the note', { title: 'T', images: [picture('a')], vectors: [own('joint', 'note', 1, 0)] }, ['joint text 0 "T"', 'joint image 0 picture 0', 'joint note 0 own']],
  ])('%s', (_, change, expected) => expect(shown(change, [platform])).toEqual(expected));

  it('embeds a note again when one of its pictures is another', () => {
    const noteHash = (sha256: string) => itemParts(item({ title: 'T', images: [picture('a'), picture(sha256)] }), [platform]).find(({ kinds }) => kinds.includes('note'))!.contentHash;
    expect(noteHash('b')).toBe(noteHash('b'));
    expect(noteHash('c')).not.toBe(noteHash('b'));
  });
});

it('has each picture in the space image, and what the caller brings in a space of their own', () => {
  const change = { title: 'T', images: [picture('a', 'x'), picture('a')], vectors: [own('joint', 'note', 0, 1), own('joint', 'text', 1, 0), own('image', 'image', 1, 0)] };
  expect(shown(change, [image, joint])).toEqual(['image image 0 own', 'image image 1 picture 1', 'joint text 0 own', 'joint note 0 own']);
  expect(shown({ title: 'T', images: [picture('a', 'x')] }, [joint])).toEqual([]);
});

it('gives equal contents equal hashes, whoever has them, and two versions of a space one part each', () => {
  const [first] = itemParts(item({ title: 'a', body: 'b' }), [text]);
  const [second] = itemParts(item({ title: 'a\nb' }), [text]);
  expect(second.contentHash).toBe(first.contentHash);
  const versions = itemParts(item({ title: 'a' }), [text, { ...text, modelVersion: 'words@2' }]);
  expect(versions.map(({ modelVersion }) => modelVersion)).toEqual(['words@1', 'words@2']);
});
