import { Problem, Reason } from '@touchstone/contracts';
import { expect, it } from 'vitest';
import type { FoundEvidence } from './evidence.ts';
import { FoundPages } from './found-pages.ts';

const piece = (number: number): FoundEvidence => ({ a: `a${number}`, b: `b${number}`, evidence: { of: 'content' } });

it('stores full pages while finders wait, holds two pages and what they bring at once, and gives back the rest', async () => {
  const stored: number[] = [];
  let waiting = 0;
  let most = 0;
  const pages = new FoundPages(
    async (number: number) => (waiting -= 1, number % 3 === 0 ? undefined : piece(number)),
    async (page) => {
      await new Promise(setImmediate);
      stored.push(page.length);
    },
    { page: 10, most: 1_000, before: 0 },
  );
  let next = 0;
  const finder = async () => {
    while (next < 300) {
      for (let turn = 0; turn < 7; turn++) {
        pages.add(next++);
        most = Math.max(most, (waiting += 1));
      }
      await pages.room();
    }
  };
  await Promise.all([finder(), finder(), finder()]);
  const { pieces, stored: count } = await pages.rest();
  expect(most).toBeLessThanOrEqual(2 * (10 + 3 * 7));
  expect(new Set(stored)).toEqual(new Set([10]));
  expect(count).toBe(10 * stored.length);
  const found = Array.from({ length: next }, (_, number) => number).filter((number) => number % 3 !== 0).length;
  expect(count + pieces.length).toBe(found);
});

it('says when it is too much, before it stores it', async () => {
  let stored = 0;
  const pages = new FoundPages(async (number: number) => piece(number), async (page) => void (stored += page.length), { page: 10, most: 30, before: 5 });
  for (let number = 0; number < 26; number++) pages.add(number);
  const error: unknown = await pages.rest().catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(Problem);
  expect((error as Problem).reason).toBe(Reason.TOO_MANY_DUPLICATES);
  expect(stored).toBe(20);
});
