import { applyTopics } from '@touchstone/messaging';
import { ConfigurationError } from '@touchstone/runtime/config';
import { readConfiguration } from '../configuration.ts';
import { services } from '../serve/services.ts';
import { UsageError } from '../usage-error.ts';

/** `topics apply`: creates what is missing and shows what differs; alters and deletes nothing. Exit code 1 when no service would use a topic. */
export async function topics([action, ...words]: readonly string[]): Promise<number> {
  if (action !== 'apply' || words.length > 0) throw new UsageError('expected topics apply');
  const { kafka } = readConfiguration();
  if (!kafka) throw new ConfigurationError('TOUCHSTONE_KAFKA_BROKERS: expected the brokers of Kafka, host:port,host:port. Without it events need no topics.');
  const found = await applyTopics(kafka, Object.values(services).flatMap(({ events }) => events ?? []));
  for (const { topic, isMissing, differences, problem } of found) {
    const state = isMissing ? 'created' : differences.length > 0 ? `differs: ${differences.join('; ')}` : 'as declared';
    process.stdout.write(`${topic}  ${state}\n`);
    if (problem) process.stderr.write(`${problem}\n`);
  }
  return found.some(({ problem }) => problem) ? 1 : 0;
}
