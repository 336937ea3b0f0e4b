import { Problem, reasonName } from '@touchstone/contracts';
import { describe, expect, it } from 'vitest';
import type { Space } from '../collection/spaces.ts';
import type { Source } from './search-query.ts';
import { searchedSpaces, type Wanted } from './searched-spaces.ts';
import { type TaskName, tasks } from './tasks.ts';

const text: Space = { name: 'text', dimension: 384, modelVersion: 'minilm@1', kinds: ['text', 'ocr', 'note'] };
const image: Space = { name: 'image', dimension: 384, modelVersion: 'dino@1', kinds: ['image'] };
const joint: Space = { name: 'joint', dimension: 1024, modelVersion: 'clip@1', kinds: ['text', 'image', 'ocr', 'note'] };
const sources = {
  text: { kind: 'text', text: 'a', pointer: '/query/text' },
  ocr: { kind: 'ocr', text: 'a', pointer: '/query/ocrText' },
  note: { kind: 'note', title: 'a', body: '', images: [], pointer: '/query/note' },
  image: { kind: 'image', image: { file: new Uint8Array(), source: 'base64' }, pointer: '/query/image' },
  item: { kind: 'item', id: 'a', pointer: '/query/itemId' },
  vector: { kind: 'vector', vector: [1], pointer: '/query/vector' },
} satisfies Record<string, Source>;

function outcome(spaces: readonly Space[], wanted: Wanted): string {
  try {
    return searchedSpaces(spaces, wanted).map(({ name }) => name).join(' ');
  } catch (error) {
    expect(error).toBeInstanceOf(Problem);
    const { reason, violations } = error as Problem;
    return `${reasonName(reason)} ${violations[0].pointer}`;
  }
}

const taskNames = Object.keys(tasks) as TaskName[];

describe('the ten tasks', () => {
  it.each(taskNames)('%s is answered by a joint space, for its own kind of query and no other', (task) => {
    for (const kind of ['text', 'image', 'ocr', 'note'] as const) {
      expect(outcome([joint], { query: sources[kind], task })).toBe(kind === task.split('-')[0] ? 'joint' : 'invalid-request /task');
    }
    expect(outcome([joint], { query: sources.item, task })).toBe('joint');
    expect(outcome([joint], { query: sources.vector, task })).toBe('joint');
  });

  it('are answered without a joint space where one model embeds both kinds', () => {
    const answered = taskNames.filter((task) => outcome([text, image], { query: sources.item, task }) === 'text');
    expect(answered).toEqual(['text-to-note', 'note-to-text', 'ocr-to-note', 'note-to-note']);
    const refused = taskNames.filter((task) => outcome([text, image], { query: sources.item, task }) === 'no-joint-space /query/itemId');
    expect(refused).toHaveLength(6);
  });

  it('say what would be needed', () => {
    expect(() => searchedSpaces([text, image], { query: sources.item, task: 'image-to-ocr' })).toThrow('a space that holds the kinds image and ocr');
  });
});

it('searches all spaces without a task, and the named one only', () => {
  expect(outcome([text, image, joint], { query: sources.item })).toBe('text image joint');
  expect(outcome([text, image, joint], { query: sources.item, space: 'joint' })).toBe('joint');
  expect(outcome([text, image], { query: sources.item, space: 'joint' })).toBe('space-not-found /query/space');
  expect(outcome([text, image, joint], { query: sources.item, task: 'text-to-note', space: 'image' })).toBe('no-joint-space /query/itemId');
});

it('asks for the space of a vector only where several would do', () => {
  expect(outcome([text], { query: sources.vector })).toBe('text');
  expect(outcome([text, image], { query: sources.vector })).toBe('invalid-request /query/space');
  expect(outcome([text, image], { query: sources.vector, task: 'ocr-to-note' })).toBe('text');
  expect(outcome([text, image], { query: { kind: 'examples', pointer: '/query/examples', positive: [sources.item, sources.vector], negative: [] } })).toBe('invalid-request /query/space');
});

it.each<[string, Wanted, string]>([
  ['up to the dimension', { query: sources.item, dimensions: 384 }, 'text image'],
  ['beyond it', { query: sources.item, dimensions: 385 }, 'dimensions-refused /dimensions'],
  ['beyond that of another space', { query: sources.item, space: 'joint', dimensions: 385 }, 'joint'],
  ['few of them', { query: sources.text, dimensions: 1 }, 'text image'],
  ['few of them for OCR', { query: sources.ocr, dimensions: 383 }, 'dimensions-refused /dimensions'],
  ['all of a small space for OCR', { query: sources.ocr, dimensions: 384 }, 'text image'],
  ['511 for OCR', { query: sources.item, task: 'ocr-to-image', dimensions: 511 }, 'dimensions-refused /dimensions'],
  ['512 for OCR', { query: sources.item, task: 'image-to-ocr', dimensions: 512 }, 'joint'],
  ['64 without OCR', { query: sources.item, task: 'note-to-image', dimensions: 64 }, 'joint'],
])('takes dimensions %s or says why not', (_, wanted, expected) => {
  const spaces = [text, image, joint].filter(({ name }) => (wanted.space ?? (wanted.task ? 'joint' : name)) === name).filter(({ name }) => wanted.task || wanted.space || name !== 'joint');
  expect(outcome(spaces, wanted)).toBe(expected);
});
