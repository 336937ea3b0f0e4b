import { randomUUID } from 'node:crypto';
import { file_touchstone_events_v1_retrieval } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import { registry } from '@touchstone/runtime/metrics';
import { startKafka, testDatabase } from '@touchstone/testing';
import pg from 'pg';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Journal } from '../fixture/journal.ts';
import { applyTopics } from './apply-topics.ts';

it('shows events that wait in the partitions of a process, and none once they are handled', async () => {
  const kafka = await startKafka();
  onTestFinished(() => kafka.stop());
  await applyTopics({ brokers: kafka.brokers }, [file_touchstone_events_v1_retrieval]);
  const server = await testDatabase({ service: 'retrieval' });
  const owner = new pg.Client({ connectionString: server.ownerUrl });
  await owner.connect();
  await Journal.prepare(owner);
  await owner.end();
  const journal = await Journal.open(server, { pollMs: 50, kafka: { brokers: kafka.brokers } });
  onTestFinished(async () => {
    await journal.close();
    await server.drop();
  });
  const gate = Promise.withResolvers<void>();
  journal.behaviour.before = () => gate.promise;
  await journal.app.listen();

  await journal.write({ id: randomUUID() }, 'a', 1, 2, 3, 4, 5);
  const shown = (waiting: number) =>
    vi.waitFor(async () => expect(await registry.getSingleMetricAsString('touchstone_consumer_lag_events')).toMatch(new RegExp(`^touchstone_consumer_lag_events\\{service="retrieval",topic="[a-z.]*"\\} ${waiting}$`, 'm')), { timeout: 30_000, interval: 100 });
  await shown(5);
  gate.resolve();
  await shown(0);
});
