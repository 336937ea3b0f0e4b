import { file_touchstone_events_v1_retrieval } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import { expect, it } from 'vitest';
import { streamOf, streamsOf, topicSettings, unfitness } from './streams.ts';

const day = 86_400_000;

it('all events of an aggregate share a topic of Kafka', () => {
  expect(streamOf('touchstone.retrieval.item.upserted.v1')).toBe('touchstone.retrieval.item');
  expect(streamsOf([file_touchstone_events_v1_retrieval])).toEqual(['touchstone.retrieval.gallery', 'touchstone.retrieval.item']);
  expect(() => streamOf('items')).toThrow('items: expected touchstone.<service>.<aggregate>.<event>.v1.');
});

it.each([
  ['as it is declared', topicSettings, undefined],
  ['kept for ever', { ...topicSettings, retentionMs: -1 }, /for ever/],
  ['kept as long as the inbox', { ...topicSettings, retentionMs: 14 * day }, /15.0 days .* \(14.0 days\)/],
  ['whose segments stay open too long', { ...topicSettings, segmentMs: 7 * day }, /14.0 days/],
  ['that is not there', undefined, /Topic items does not exist: run `touchstone topics apply`/],
])('a topic %s', (_, settings, expected) => {
  if (expected === undefined) expect(unfitness('items', settings)).toBeUndefined();
  else expect(unfitness('items', settings)).toMatch(expected);
});
