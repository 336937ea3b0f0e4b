import { expect, it } from 'vitest';
import { Silence } from './silence.ts';

const minute = 60_000;

it('is found after a minute in which events waited and none was attempted', () => {
  const silence = new Silence(minute);
  silence.observe('items/0', { end: 5, position: 3, activity: 7 }, 0);
  silence.observe('items/0', { end: 9, position: 3, activity: 7 }, 30_000); // more came, nothing was done
  expect(silence.longest(minute - 1)).toBeUndefined();
  expect(silence.longest(minute)).toEqual({ partition: 'items/0', ms: minute });
});

it.each([
  ['an event was done', { end: 5, position: 4, activity: 7 }],
  ['an event was attempted', { end: 5, position: 3, activity: 8 }],
  ['all is done', { end: 3, position: 3, activity: 7 }],
])('is none when %s', (_, standing) => {
  const silence = new Silence(minute);
  silence.observe('items/0', { end: 5, position: 3, activity: 7 }, 0);
  silence.observe('items/0', standing, 30_000);
  expect(silence.longest(minute)).toBeUndefined();
});

it('is none at rest, however long', () => {
  const silence = new Silence(minute);
  silence.observe('items/0', { end: 5, position: 5, activity: 7 }, 0);
  silence.observe('items/0', { end: 6, position: 5, activity: 7 }, 10 * minute); // the first event in ten minutes
  expect(silence.longest(10 * minute)).toBeUndefined();
});

it('is forgotten with the partitions', () => {
  const silence = new Silence(minute);
  silence.observe('items/0', { end: 5, position: 3, activity: 7 }, 0);
  silence.forget();
  expect(silence.longest(minute)).toBeUndefined();
});
