import { type Kafka, startKafka } from '@touchstone/testing';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { topics } from './topics.ts';

let kafka: Kafka;

beforeAll(async () => {
  kafka = await startKafka();
});

afterAll(async () => {
  await kafka?.stop();
});

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

it('topics apply creates what is missing, and changes nothing the second time', async () => {
  vi.stubEnv('TOUCHSTONE_KAFKA_BROKERS', kafka.brokers.join(','));
  const printed: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
  expect(await topics(['apply'])).toBe(0);
  const first = printed.splice(0);
  expect(first).toContain('touchstone.retrieval.item  created\n');
  expect(await topics(['apply'])).toBe(0);
  expect(printed).toEqual(first.map((line) => line.replace('created', 'as declared')));
});

it('topics apply names the variable that is missing', async () => {
  await expect(topics(['apply'])).rejects.toThrow('TOUCHSTONE_KAFKA_BROKERS: expected the brokers of Kafka');
});
