import { expect, it } from 'vitest';
import type { Space } from './spaces.ts';
import { activated, indexKey, inVersion, keptVersions, type OtherVersion, withoutOther, withOther } from './versions.ts';

const text: Space = { name: 'text', dimension: 3, modelVersion: 'old@1', kinds: ['text', 'ocr', 'note'] };
const image: Space = { name: 'image', dimension: 5, modelVersion: 'eyes@1', kinds: ['image'] };
const next = (state: OtherVersion['state']): OtherVersion => ({ modelVersion: 'new@1', dimension: 2, state, operationId: 'retrieval-1' });

it('keeps each version as a space of its own, the active one first', () => {
  expect(keptVersions(text)).toEqual([text]);
  expect(keptVersions(withOther(text, next('building')))).toEqual([text, { ...text, modelVersion: 'new@1', dimension: 2 }]);
  expect(keptVersions(withOther(text, next('standby'))).map(indexKey)).toEqual(['text@old@1', 'text@new@1']);
});

it('knows one state of a version', () => {
  const space = withOther(withOther(text, next('building')), next('standby'));
  expect(space.others).toEqual([next('standby')]);
  expect(withoutOther(space, 'new@1').others).toEqual([]);
});

it('switches there and back, each time with the other as standby', () => {
  const there = activated(withOther(text, next('standby')), 'new@1');
  expect(there).toMatchObject({ modelVersion: 'new@1', dimension: 2, kinds: text.kinds, others: [{ modelVersion: 'old@1', dimension: 3, state: 'standby' }] });
  const back = activated(there, 'old@1');
  expect(back).toMatchObject({ modelVersion: 'old@1', dimension: 3, others: [{ modelVersion: 'new@1', dimension: 2, state: 'standby' }] });
  expect(activated(back, 'old@1')).toBe(back);
});

it('does not switch to what is not complete or not there', () => {
  expect(() => activated(withOther(text, next('building')), 'new@1')).toThrow('no standby');
  expect(() => activated(text, 'new@1')).toThrow('no standby');
});

it('searches in another version without a switch', () => {
  const spaces = [withOther(text, next('standby')), image];
  expect(inVersion(spaces, 'new@1')!.map(indexKey)).toEqual(['text@new@1', 'image@eyes@1']);
  expect(inVersion(spaces, 'eyes@1')!.map(indexKey)).toEqual(['text@old@1', 'image@eyes@1']);
  expect(inVersion(spaces, 'unknown@1')).toBeUndefined();
  expect(inVersion([withOther(text, next('building'))], 'new@1')).toBeUndefined();
});
