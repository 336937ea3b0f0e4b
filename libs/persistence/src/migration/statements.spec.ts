import { expect, it } from 'vitest';
import { statements } from './statements.ts';

it.each([
  ['two statements', 'select 1;\n\nselect 2;\n', [['select 1', 1], ['select 2', 3]]],
  ['the last without a semicolon', 'select 1;select 2', [['select 1', 1], ['select 2', 1]]],
  ['a semicolon in text and in a name', `select ';''"', ";" ;\nselect 2`, [[`select ';''"', ";" `, 1], ['select 2', 2]]],
  ['a dollar-quoted body', 'do $$ begin; end $$;\nselect $a$ ; $$ ; $a$', [['do $$ begin; end $$', 1], ['select $a$ ; $$ ; $a$', 2]]],
  ['comments before a statement', '-- one; two\n/* three;\n */\nselect 1; -- last;', [['select 1', 4]]],
  ['a comment inside', 'select 1 -- a; b\n, 2;', [['select 1 -- a; b\n, 2', 1]]],
  ['nothing', ' \n-- nothing\n', []],
])('splits %s', (_, script, expected) => {
  expect(statements(script).map(({ sql, line }) => [sql, line])).toEqual(expected);
});
