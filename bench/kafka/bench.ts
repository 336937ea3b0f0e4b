/**
 * The same events through one real Kafka by three ways, in turns: kafkajs alone, KafkaTransport without a database, and all
 * of it with outbox and inbox: `npm run bench:kafka`. Idempotent, acknowledged by all replicas, until the last is consumed.
 */
import { randomBytes, randomUUID, randomUUIDv7 } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { create, toBinary } from '@bufbuild/protobuf';
import { file_touchstone_events_v1_retrieval, ItemUpsertedSchema } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import { applyTopics, type Claim, defaultRetryPolicy, type InboxStore, KafkaTransport, Relay, type StoredEvent, topicOf } from '@touchstone/messaging';
import { migrate } from '@touchstone/persistence';
import { systemClock } from '@touchstone/runtime/clock';
import { startKafka, startPostgres } from '@touchstone/testing';
import kafkajs from 'kafkajs';
import pg from 'pg';
import { startService, tables, write } from '../messaging/service.ts';

const rounds = 5;
const total = 5_000;
const perBatch = 100;
const tenant = { id: randomUUID() };
const topic = topicOf(ItemUpsertedSchema);

/** As an outbox has them. */
const events: StoredEvent[] = Array.from({ length: total }, (_, number) => {
  const eventId = randomUUIDv7();
  const key = `products/${number % 200}`;
  return {
    ...{ id: String(number), eventId, topic, key, tenant },
    payload: toBinary(ItemUpsertedSchema, create(ItemUpsertedSchema, { collection: 'products', itemId: randomBytes(150).toString('hex'), position: number, isNew: true })),
    headers: {
      'content-type': 'application/protobuf',
      ...{ ce_specversion: '1.0', ce_id: eventId, ce_source: '/touchstone/retrieval', ce_type: topic, ce_time: new Date().toISOString(), tenant: tenant.id },
      traceparent: `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`,
    },
  };
});
const batches = Array.from({ length: total / perBatch }, (_, index) => events.slice(index * perBatch, (index + 1) * perBatch));

/** Resolves when `add` was called for so many. */
class Countdown {
  readonly #done = Promise.withResolvers<void>();
  #left = Infinity;

  begin(count: number): Promise<void> {
    this.#left = count;
    return this.#done.promise;
  }

  add(count = 1): void {
    this.#left -= count;
    if (this.#left <= 0) this.#done.resolve();
  }
}

async function perSecond(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return total / ((performance.now() - start) / 1_000);
}

/** A topic and a group of its own for each round. */
async function place(): Promise<{ brokers: string[]; prefix: string }> {
  const made = { brokers: kafka.brokers, prefix: `${randomUUID()}.` };
  await applyTopics(made, [file_touchstone_events_v1_retrieval]);
  return made;
}

async function bare(): Promise<number> {
  const { brokers, prefix } = await place();
  const name = `${prefix}touchstone.retrieval.item`;
  const client = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING });
  const producer = client.producer({ idempotent: true, maxInFlightRequests: 1, createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  const consumer = client.consumer({ groupId: `${prefix}peer`, maxWaitTimeInMs: 500 });
  const countdown = new Countdown();
  await producer.connect();
  await consumer.connect();
  await consumer.subscribe({ topics: [name], fromBeginning: true });
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.run({ eachBatch: async ({ batch }) => countdown.add(batch.messages.length) });
  await joined;
  const result = await perSecond(async () => {
    const consumed = countdown.begin(total);
    for (const batch of batches) {
      const messages = batch.map(({ key, payload, headers }) => ({ key: `${tenant.id}/${key}`, value: Buffer.from(payload), headers: { ...headers } }));
      await producer.sendBatch({ acks: -1, topicMessages: [{ topic: name, messages }] });
    }
    await consumed;
  });
  await consumer.disconnect();
  await producer.disconnect();
  return result;
}

const claim: Claim = { hold: async () => undefined, check: async () => undefined };
/** Remembers nothing. */
const noInbox: InboxStore = {
  states: async () => new Map(),
  apply: async (list, handle) => {
    for (const event of list) await handle(event);
  },
  failed: async () => undefined,
  bury: async () => [],
  forget: async () => undefined,
  prune: async () => undefined,
};

async function withoutDatabase(): Promise<number> {
  const relay = new Relay({ read: async () => ({ events: [], lease: claim }), remove: async () => undefined, renew: async () => undefined, release: async () => undefined });
  const transport = new KafkaTransport(relay, noInbox, { service: 'retrieval', ...(await place()), retry: defaultRetryPolicy, clock: systemClock, random: Math.random });
  const countdown = new Countdown();
  transport.addHandler(topic, async () => countdown.add(), true, { schema: ItemUpsertedSchema });
  await new Promise<void>((resolve, reject) => transport.listen((error) => (error ? reject(error as Error) : resolve())));
  while (transport.health().some(({ isReady }) => !isReady)) await new Promise((resolve) => setTimeout(resolve, 10));
  const result = await perSecond(async () => {
    const consumed = countdown.begin(total);
    for (const batch of batches) await transport.publish(batch, claim, new AbortController().signal);
    await consumed;
  });
  await transport.close();
  return result;
}

async function withDatabase(): Promise<number> {
  await owner.query('truncate retrieval.effect');
  const app = await startService(urls, await place());
  await write(app, tenant, 1, 0);
  const effects = async (count: number) => {
    while ((await owner.query('select count(*)::integer as count from retrieval.effect')).rows[0].count < count) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  await effects(1);
  const result = await perSecond(async () => {
    for (let first = 0; first < total; first += perBatch) await write(app, tenant, perBatch, first);
    await effects(total + 1);
  });
  await app.close();
  return result;
}

const kafka = await startKafka();
const postgres = await startPostgres();
await migrate({ url: postgres.url, services: ['retrieval'] });
const urls = { url: postgres.urlOf('retrieval'), systemUrl: postgres.urlOf('retrieval_system') };
const owner = new pg.Pool({ connectionString: postgres.url });
owner.on('error', () => undefined); // The server ends while connections do.
await owner.query(tables);

const measured = { bare: [] as number[], transport: [] as number[], database: [] as number[] };
await bare(); // Warm.
await withoutDatabase();
for (let round = 0; round < rounds; round += 1) {
  measured.bare.push(await bare());
  measured.transport.push(await withoutDatabase());
  measured.database.push(await withDatabase());
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const summary = (values: readonly number[]) => ({ median: Math.round(median(values)), lowest: Math.round(Math.min(...values)), highest: Math.round(Math.max(...values)) });
const ratio = (values: readonly number[]) => Number((median(values) / median(measured.bare)).toFixed(2));
const result = {
  command: 'npm run bench:kafka --workspace bench',
  date: new Date().toISOString().slice(0, 10),
  machine: `${cpus()[0].model}, ${cpus().length} cores; Kafka, PostgreSQL and the program share them`,
  loadAverage: Number(loadavg()[0].toFixed(1)),
  node: process.version,
  kafka: '4.3.1, one node',
  rounds,
  eventsPerRound: total,
  bytesPerEvent: Math.round(events.reduce((sum, { payload }) => sum + payload.length, 0) / total),
  perSecond: {
    [`peer: kafkajs alone, idempotent batches of ${perBatch}, produced and consumed`]: summary(measured.bare),
    'KafkaTransport, published and handled, without a database': summary(measured.transport),
    [`outbox, KafkaTransport, inbox and effect, ${perBatch} events a writer's transaction, all durable`]: summary(measured.database),
  },
  ratioToPeer: { withoutDatabase: ratio(measured.transport), withDatabase: ratio(measured.database) },
};
const text = JSON.stringify(result, undefined, 2);
console.log(text);
await mkdir(new URL('../results/', import.meta.url), { recursive: true });
await writeFile(new URL('../results/kafka.json', import.meta.url), `${text}\n`);

await owner.end();
await postgres.stop();
await kafka.stop();
