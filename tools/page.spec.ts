import { expect, it } from 'vitest';
import { blocksOf, edited } from './page.ts';

it('reads the blocks of a page, with the files that they are', () => {
  const page = 'Text.\n\n```ts src/a.ts\nconst a = 1;\n```\nMore.\n```sh\necho\n```\n';
  expect(blocksOf(page)).toEqual([
    { language: 'ts', title: 'src/a.ts', text: 'const a = 1;\n' },
    { language: 'sh', title: '', text: 'echo\n' },
  ]);
});

it.each([
  ['after a line', 'a\nb\nc\n', ' b\n+new\n', 'a\nb\nnew\nc\n'],
  ['between two lines', 'a\nb\nc\n', ' a\n+new\n b\n', 'a\nnew\nb\nc\n'],
  ['several, with an empty one', 'a\n', ' a\n+\n+new\n', 'a\n\nnew\n'],
])('adds lines %s', (_, file, edit, expected) => expect(edited(file, edit)).toBe(expected));

it.each([
  ['nowhere', 'a\n', ' b\n+new\n', /in 0 places/],
  ['twice', 'a\na\n', ' a\n+new\n', /in 2 places/],
  ['as something else', 'a\n', '-a\n', /neither a space nor a plus: -a/],
])('refuses an edit whose lines stand %s', (_, file, edit, message) => expect(() => edited(file, edit)).toThrow(message));
