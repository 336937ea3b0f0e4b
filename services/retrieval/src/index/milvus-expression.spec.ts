import { expect, it } from 'vitest';
import { kindsExpression, milvusExpression, milvusFields, milvusKey } from './milvus-expression.ts';

it.each([
  [{ field: 'author', in: ['a', 'b'] }, '(fields["author"] in ["a", "b"] || json_contains_any(fields["author"], ["a", "b"]))'],
  [{ field: 'n', in: [1, true] }, '(fields["n"] == 1 || fields["n"] == true || json_contains_any(fields["n"], [1, true]))'],
  [{ field: 'n', in: [] }, 'position < 0'],
  [{ field: 'n', range: { gte: 1, lt: 2.5 } }, '(fields["n"] >= 1 && fields["n"] < 2.5)'],
  [{ not: { field: 'n', exists: true } }, 'not ((exists fields["n"]))'],
  [{ any: [] }, 'position < 0'],
  [{ all: [{ field: 'a', exists: false }, { any: [{ field: 'b', exists: true }] }] }, '(not (exists fields["a"]) && ((exists fields["b"])))'],
])('%j', (filter, expression) => expect(milvusExpression(filter)).toBe(expression));

it('lets no string out of its quotes', () => {
  expect(milvusExpression({ field: '"] || true', in: ['" || true || "', '\\', '\n'] })).toBe(
    '(fields["$22$$5d$$20$$7c$$7c$$20$true"] in ["\\" || true || \\"", "\\\\", "\\n"] || json_contains_any(fields["$22$$5d$$20$$7c$$7c$$20$true"], ["\\" || true || \\"", "\\\\", "\\n"]))',
  );
});

it('has another key for every field', () => {
  const fields = ['a b', 'a$20$b', 'a/b', 'a~b', 'ä', '🙂', '$'];
  expect(new Set(fields.map(milvusKey)).size).toBe(fields.length);
  expect(milvusFields({ 'a b': 1, list: ['x', {}, 2], none: null, nested: { x: 1 }, empty: [{}] })).toEqual({ a$20$b: 1, list: ['x', 2] });
});

it('names the sets that have a kind', () => {
  expect(kindsExpression(['text'])).toBe('kinds in [1, 3, 5, 7, 9, 11, 13, 15]');
});
