import { expect, it } from 'vitest';
import type { Readiness } from './rest-client.ts';
import { waitUntilReady } from './wait-until-ready.ts';

const ready: Readiness = { isReady: true, parts: [] };
const pulling = (percent: number): Readiness => ({
  isReady: false,
  parts: [
    { part: 'gateway database', isReady: true },
    { part: 'model weights', isReady: false, detail: `${percent} %` },
  ],
});

function waiting(states: Readiness[]) {
  const words: string[] = [];
  let waits = 0;
  const done = waitUntilReady({
    readiness: async () => (states.length > 1 ? states.shift()! : states[0]!),
    onWaiting: (what) => words.push(what),
    wait: async () => void waits++,
  });
  return { done, words, waits: () => waits };
}

it('goes on when all is ready, and says only changes until then', async () => {
  const { done, words, waits } = waiting([pulling(10), pulling(10), pulling(60), ready]);
  await done;

  expect(words).toEqual(['model weights: 10 %', 'model weights: 60 %']);
  expect(waits()).toBe(3);
});

it('says nothing when all is ready at once', async () => {
  const { done, words } = waiting([ready]);
  await done;

  expect(words).toEqual([]);
});

it('gives up after a quarter of an hour with what is missing and where to look', async () => {
  const { done, waits } = waiting([pulling(60)]);

  await expect(done).rejects.toThrow(/not ready \(model weights: 60 %\).*doctor/);
  expect(waits()).toBe(900);
});
