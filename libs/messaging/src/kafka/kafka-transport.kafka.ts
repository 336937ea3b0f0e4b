import { file_touchstone_events_v1_retrieval } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import { type Kafka, startKafka } from '@touchstone/testing';
import { afterAll, beforeAll } from 'vitest';
import { transportContract } from '../delivery/transport.contract.ts';
import { applyTopics } from './apply-topics.ts';

let kafka: Kafka;
let places = 0;

beforeAll(async () => {
  kafka = await startKafka();
});

afterAll(async () => {
  await kafka?.stop();
});

transportContract('KafkaTransport', async () => {
  const place = { brokers: kafka.brokers, prefix: `place-${(places += 1)}.` };
  await applyTopics(place, [file_touchstone_events_v1_retrieval]);
  return { kafka: { ...place, sessionTimeoutMs: 3_000 } };
});
