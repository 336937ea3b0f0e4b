import type { DescFile } from '@bufbuild/protobuf';
import { KafkaClient, type TopicSettings } from './kafka-client.ts';
import type { KafkaOptions } from './kafka-transport.ts';
import { streamsOf, topicSettings, unfitness } from './streams.ts';

/** What a topic is and what it should be. */
export interface TopicDifference {
  readonly topic: string;
  readonly isMissing: boolean;
  /** Such as `retention.ms is 1000, declared 604800000`; empty when all is well. */
  readonly differences: readonly string[];
  /** Why no service will consume it as it is. */
  readonly problem?: string;
}

/**
 * Creates the topics of events that are missing. It alters and deletes none: another number of partitions would move
 * keys, and other settings are somebody's decision.
 *
 * @param files contracts of events.
 * @returns each declared topic as it was found.
 */
export async function applyTopics({ brokers, prefix = '' }: Pick<KafkaOptions, 'brokers' | 'prefix'>, files: readonly DescFile[]): Promise<TopicDifference[]> {
  const client = new KafkaClient({ brokers, clientId: 'touchstone-topics' });
  try {
    const names = streamsOf(files).map((name) => `${prefix}${name}`);
    const found = await client.topics(names);
    const missing = names.filter((name) => !found.has(name));
    if (missing.length > 0) await client.createTopics(new Map(missing.map((name) => [name, topicSettings])));
    return names.map((topic) => {
      const settings = found.get(topic);
      return { topic, isMissing: !settings, differences: settings ? differences(settings) : [], problem: settings && unfitness(topic, settings) };
    });
  } finally {
    await client.close();
  }
}

const labels = { partitions: 'partitions', retentionMs: 'retention.ms', segmentMs: 'segment.ms' } as const satisfies Record<keyof TopicSettings, string>;

function differences(settings: TopicSettings): string[] {
  return (Object.keys(labels) as (keyof TopicSettings)[])
    .filter((name) => settings[name] !== topicSettings[name])
    .map((name) => `${labels[name]} is ${settings[name]}, declared ${topicSettings[name]}`);
}
