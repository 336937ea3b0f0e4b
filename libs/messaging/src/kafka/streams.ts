import { type DescFile, getOption } from '@bufbuild/protobuf';
import { topic } from '@touchstone/contracts/gen/touchstone/api/v1/policy_pb';
import { inboxRetentionMs } from '../delivery/consumer.ts';
import type { TopicSettings } from './kafka-client.ts';

const dayMs = 24 * 3_600_000;

/** Of each topic of ours. A key stays in its partition, so their number never changes. Nothing is compacted. */
export const topicSettings: TopicSettings = { partitions: 8, retentionMs: 7 * dayMs, segmentMs: dayMs };

/**
 * Kafka's topic for an event: one for each aggregate, `touchstone.<service>.<aggregate>`, because Kafka keeps the order
 * within a topic only, and an item's deletion must not overtake its writing. The event's own topic travels as `ce_type`.
 *
 * @param eventTopic `touchstone.<service>.<aggregate>.<event>.v1`.
 */
export function streamOf(eventTopic: string): string {
  const parts = eventTopic.split('.');
  if (parts.length !== 5) throw new Error(`${eventTopic}: expected touchstone.<service>.<aggregate>.<event>.v1.`);
  return parts.slice(0, 3).join('.');
}

/** Kafka's topics for all events of contracts. */
export function streamsOf(files: readonly DescFile[]): string[] {
  const topics = files.flatMap(({ messages }) => messages.map((message) => getOption(message, topic))).filter((name) => name !== '');
  return [...new Set(topics.map(streamOf))].sort();
}

/**
 * What is wrong with a topic for a consumer, or undefined. A message may be delivered again for as long as the topic has
 * it, at most until its segment is closed and its retention is over; its inbox row must live longer.
 */
export function unfitness(name: string, settings: TopicSettings | undefined): string | undefined {
  if (!settings) return `Topic ${name} does not exist: run \`touchstone topics apply\`.`;
  const { retentionMs, segmentMs } = settings;
  if (retentionMs >= 0 && retentionMs + segmentMs < inboxRetentionMs) return undefined;
  const days = (ms: number) => `${(ms / dayMs).toFixed(1)} days`;
  return `Topic ${name} keeps messages for ${retentionMs < 0 ? 'ever' : days(retentionMs + segmentMs)} (retention.ms + segment.ms), longer than the inbox remembers them (${days(inboxRetentionMs)}): lower one of them.`;
}
