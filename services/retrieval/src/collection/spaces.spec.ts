import { describe, expect, it } from 'vitest';
import { areSameSpaces, isOwnSpace, spacesOf, SpacesRefused, type WantedSpace } from './spaces.ts';

const unpinned = { name: 'embed-joint', dimension: 8, version: 'both@unpinned', isPinned: false };
const pinned = { name: 'embed-joint-other', dimension: 5, version: 'both@1', isPinned: true };
const models = { text: { dimension: 4, version: 'words@1' }, image: { dimension: 6, version: 'eyes@1' }, joints: [unpinned, pinned] };
const platform: WantedSpace = { name: 'joint', kinds: [] };
const text: WantedSpace = { name: 'text', kinds: [] };
const image: WantedSpace = { name: 'image', kinds: [] };
const joint: WantedSpace = { name: 'joint', dimension: 2, modelVersion: 'mine@1', kinds: [] };

it('are those of both models when none is wanted', () => {
  const both = [
    { name: 'text', dimension: 4, modelVersion: 'words@1', kinds: ['text', 'ocr', 'note'] },
    { name: 'image', dimension: 6, modelVersion: 'eyes@1', kinds: ['image'] },
  ];
  expect(spacesOf([], models)).toEqual(both);
  expect(spacesOf([image, text], models)).toEqual(both);
});

it('put own ones behind, by name, with all kinds unless some are named', () => {
  const spaces = spacesOf([{ ...joint, name: 'z' }, { ...joint, name: 'a', kinds: ['note', 'text'] }, text], models);
  expect(spaces.map(({ name, kinds }) => [name, kinds])).toEqual([
    ['text', ['text', 'ocr', 'note']],
    ['a', ['text', 'note']],
    ['z', ['text', 'image', 'ocr', 'note']],
  ]);
});

it('have the first joint model that is pinned in the space `joint`, unless it is said to be one’s own', () => {
  const spaces = spacesOf([{ ...joint, name: 'a' }, platform, image], models);
  expect(spaces.slice(0, 2)).toEqual([
    { name: 'image', dimension: 6, modelVersion: 'eyes@1', kinds: ['image'] },
    { name: 'joint', dimension: 5, modelVersion: 'both@1', kinds: ['text', 'image', 'ocr', 'note'], isJoint: true },
  ]);
  expect(spaces.map(isOwnSpace)).toEqual([false, false, true]);
  const [own] = spacesOf([joint], models);
  expect(own).toEqual({ name: 'joint', dimension: 2, modelVersion: 'mine@1', kinds: ['text', 'image', 'ocr', 'note'] });
  expect(isOwnSpace(own)).toBe(true);
  expect(areSameSpaces(spacesOf([platform], models), [own])).toBe(false);
});

it('say what an operator must do where no joint model is pinned', () => {
  const refused = (joints: typeof models.joints) => () => spacesOf([text, platform], { ...models, joints });
  expect(refused([unpinned])).toThrow(expect.objectContaining({ pointer: '/1/name', message: expect.stringContaining('touchstone models pull embed-joint says how to pin') }));
  expect(refused([])).toThrow(expect.objectContaining({ pointer: '/1/name', message: expect.stringContaining('the manifest has none') }));
});

describe('says what is wrong, and where', () => {
  it.each<[string, WantedSpace[], string]>([
    ['a name twice', [text, joint, text], '/2/name'],
    ['a dimension for a model’s space', [{ ...text, dimension: 4 }], '/0/dimension'],
    ['a version for a model’s space', [joint, { ...image, modelVersion: 'other@1' }], '/1/modelVersion'],
    ['kinds for a model’s space', [{ ...text, kinds: ['text'] }], '/0/kinds'],
    ['kinds for the platform’s joint space', [text, { ...platform, kinds: ['text'] }], '/1/kinds'],
    ['an own space without dimension', [{ ...joint, dimension: undefined }], '/0/dimension'],
    ['an own space without version', [{ ...joint, modelVersion: undefined }], '/0/modelVersion'],
  ])('%s', (_, wanted, pointer) => {
    expect(() => spacesOf(wanted, models)).toThrow(SpacesRefused);
    expect(() => spacesOf(wanted, models)).toThrow(expect.objectContaining({ pointer }));
  });
});

describe('are the same', () => {
  const present = spacesOf([text, joint], models);

  it('whatever the order, and when a model of the platform’s has changed', () => {
    const newer = { ...models, text: { dimension: 8, version: 'words@2' } };
    expect(areSameSpaces(present, spacesOf([joint, text], newer))).toBe(true);
  });

  it.each<[string, WantedSpace[]]>([
    ['a space less', [text]],
    ['another dimension', [text, { ...joint, dimension: 3 }]],
    ['another version', [text, { ...joint, modelVersion: 'mine@2' }]],
    ['other kinds', [text, { ...joint, kinds: ['note'] }]],
  ])('unless it is %s', (_, wanted) => expect(areSameSpaces(present, spacesOf(wanted, models))).toBe(false));
});
