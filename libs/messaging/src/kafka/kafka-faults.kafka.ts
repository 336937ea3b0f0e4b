import { randomUUID } from 'node:crypto';
import { file_touchstone_events_v1_retrieval } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import { ManualClock, systemClock } from '@touchstone/runtime/clock';
import { type Kafka, startKafka, testDatabase, type TestDatabase } from '@touchstone/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { JournalProcess } from '../fixture/journal-process.ts';
import { count, effects, Journal, type Tenant, type Urls } from '../fixture/journal.ts';
import { type KafkaOptions, MessagingHealth, type MessagingOptions } from '../index.ts';
import { applyTopics } from './apply-topics.ts';
import { KafkaClient } from './kafka-client.ts';
import { topicSettings } from './streams.ts';

const contracts = [file_touchstone_events_v1_retrieval];
const patience = { timeout: 60_000, interval: 50 };
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

let kafka: Kafka;
let server: TestDatabase;
let owner: pg.Pool;
let client: KafkaClient;
let place: KafkaOptions & { prefix: string };
let tenant: Tenant;
let places = 0;
let closing: (() => Promise<void>)[];

beforeAll(async () => {
  kafka = await startKafka();
  client = new KafkaClient({ brokers: kafka.brokers, clientId: 'test' });
  server = await testDatabase({ service: 'retrieval' });
  owner = new pg.Pool({ connectionString: server.ownerUrl });
  await Journal.prepare(owner);
});

afterAll(async () => {
  await client?.close();
  await owner?.end();
  await server?.drop();
  await kafka?.stop();
});

beforeEach(async () => {
  closing = [];
  tenant = { id: randomUUID() };
  place = { brokers: kafka.brokers, prefix: `fault-${(places += 1)}.`, sessionTimeoutMs: 3_000 };
});

afterEach(async () => {
  await Promise.all(closing.map((close) => close()));
  await owner.query('truncate retrieval.outbox, retrieval.dead_letter, retrieval.event_attempt, retrieval.effect, retrieval.relay');
  await owner.query(`update retrieval.relay_lease set owner = null, expires_at = '-infinity'`);
});

const topic = () => `${place.prefix}touchstone.retrieval.item`;
const options = (more: Partial<MessagingOptions> = {}): Partial<MessagingOptions> => ({
  pollMs: 50,
  retry: { attempts: 3, firstDelayMs: 20, maximumDelayMs: 100 },
  kafka: place,
  ...more,
});

async function listening(more?: Partial<MessagingOptions>, urls: Urls = server): Promise<Journal> {
  const journal = await Journal.open(urls, options(more));
  closing.push(() => journal.close());
  await journal.app.listen();
  return journal;
}

const eventually = (check: () => Promise<void> | void) => vi.waitFor(check, patience);
const expectEffects = (key: string, expected: number[], from: pg.Pool = owner) => eventually(async () => expect(await effects(from, tenant, key)).toEqual(expected));
const health = async (journal: Journal) => (await journal.app.get(MessagingHealth, { strict: false }).health()).find(({ part }) => part === 'events')!;

describe('a consumer', () => {
  beforeEach(async () => {
    await applyTopics(place, contracts);
  });

  it('of another group gets every event too', async () => {
    const elsewhere = await testDatabase({ service: 'retrieval' });
    const otherOwner = new pg.Pool({ connectionString: elsewhere.ownerUrl });
    await Journal.prepare(otherOwner);
    closing.push(() => otherOwner.end().then(() => elsewhere.drop()));
    await listening({ kafka: { ...place, group: 'other' } }, elsewhere);
    const journal = await listening();
    await journal.write(tenant, 'a', 1, 2, 3);
    await expectEffects('a', [1, 2, 3]);
    await expectEffects('a', [1, 2, 3], otherOwner);
  });

  it('that joins while another handles an event doubles nothing and keeps the order', async () => {
    const [begun, finishing] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const one = await listening();
    one.behaviour.before = () => (begun.resolve(), finishing.promise);
    const keys = upTo(16).map((number) => `key ${number}`);
    for (const key of keys) await one.write(tenant, key, 1, 2);
    await begun.promise;
    const other = await listening(); // The group rebalances with the first one in the middle of its batches.
    await eventually(async () => expect(await health(other)).toMatchObject({ isReady: true }));
    for (const key of keys) await other.write(tenant, key, 3);
    finishing.resolve();
    for (const key of keys) await expectEffects(key, [1, 2, 3]);
  });

  it('whose handler takes longer than its session keeps its partitions', async () => {
    let calls = 0;
    const journal = await listening();
    journal.behaviour.before = async () => {
      calls += 1;
      await owner.query('select pg_sleep(7)'); // Twice the session.
    };
    await journal.write(tenant, 'slow', 1);
    await expectEffects('slow', [1]);
    expect(calls).toBe(1);
  });

  it('that stood still for longer than its session does no harm when it goes on', async () => {
    const frozen = await JournalProcess.start(server, options({ leaseMs: 1_000 }));
    closing.push(() => frozen.kill());
    const writer = await Journal.open(server, options());
    closing.push(() => writer.close());
    const keys = upTo(8).map((number) => `key ${number}`);
    for (let number = 1; number <= 40; number += 1) await Promise.all(keys.map((key) => writer.write(tenant, key, number)));
    await eventually(() => expect(frozen.handled).toBeGreaterThan(20));
    frozen.signal('SIGSTOP');
    const successor = await listening({ leaseMs: 1_000 });
    await writer.write(tenant, 'marker', 1);
    await expectEffects('marker', [1]);
    frozen.signal('SIGCONT');
    for (const key of keys) await expectEffects(key, upTo(40));
    for (const key of keys) await successor.write(tenant, key, 41);
    for (const key of keys) await expectEffects(key, upTo(41));
    expect(await count(owner, 'dead_letter')).toBe(0);
  });

  it('that falls silent is found after 60 s and reported as not live', async () => {
    const clock = new ManualClock();
    const journal = await listening({ clock: { now: clock.now, wait: (ms, signal) => (ms >= 10_000 ? clock.wait(ms, signal) : systemClock.wait(ms, signal)) } });
    const { promise: stuck, resolve: release } = Promise.withResolvers<void>();
    closing.unshift(async () => release()); // Before the journal is closed.
    await journal.write(tenant, 'a', 1);
    await expectEffects('a', [1]);
    journal.behaviour.before = () => stuck;
    await journal.write(tenant, 'a', 2, 3);
    await eventually(async () => expect(await count(owner, 'outbox')).toBe(0));
    const pass = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 10_000) {
        await eventually(() => expect(clock.waiting).toBeGreaterThan(0));
        clock.advance(10_000);
      }
    };
    await pass(60_000);
    expect((await health(journal)).isLive).not.toBe(false);
    await pass(20_000);
    await eventually(async () => expect(await health(journal)).toMatchObject({ isReady: false, isLive: false, detail: expect.stringMatching(/events wait, and none was attempted for [67]0 s/) }));
  });

  it('makes a dead letter of a message that is no event, and goes on behind it', async () => {
    await client.send([{ topic: topic(), key: 'x', value: Buffer.from('{"hello": true}'), headers: {} }]);
    const journal = await listening();
    await journal.write(tenant, 'a', 1);
    await expectEffects('a', [1]);
    await eventually(async () => expect(await count(owner, 'dead_letter')).toBe(1));
    const { rows } = await owner.query('select cause from retrieval.dead_letter');
    expect(rows[0].cause).toMatch(/The message at fault-\d+\.touchstone\.retrieval\.item\/\d\/0 is no event: it lacks ce_id/);
  });

  it('and its relay survive a broker that is killed and comes back', async () => {
    const journal = await listening();
    await journal.write(tenant, 'a', 1);
    await expectEffects('a', [1]);
    await kafka.kill();
    for (let number = 2; number <= 20; number += 1) await journal.write(tenant, 'a', number); // Writers notice nothing.
    expect(await effects(owner, tenant, 'a')).toEqual([1]);
    await eventually(async () => expect(await health(journal)).toMatchObject({ isReady: true, detail: expect.stringContaining('No events are received') }));
    await kafka.restart();
    await expectEffects('a', upTo(20));
    await eventually(async () => expect(await count(owner, 'outbox')).toBe(0));
    expect(await count(owner, 'dead_letter')).toBe(0);
  });
});

describe('topics', () => {
  /** What became of the topic of items; contracts have others too. */
  const apply = async () => (await applyTopics(place, contracts)).filter((found) => found.topic === topic());

  it('that are missing are named, and found when they are there', async () => {
    const journal = await listening();
    await journal.write(tenant, 'a', 1);
    await eventually(async () => expect(await health(journal)).toMatchObject({ isReady: false, detail: expect.stringContaining(`Topic ${topic()} does not exist: run \`touchstone topics apply\``) }));
    expect(await apply()).toEqual([{ topic: topic(), isMissing: true, differences: [], problem: undefined }]);
    await expectEffects('a', [1]);
    expect(await health(journal)).toMatchObject({ isReady: true });
  });

  it('that outlive the inbox are not consumed, and applying topics leaves them as they are', async () => {
    await client.createTopics(new Map([[topic(), { ...topicSettings, partitions: 3, retentionMs: -1 }]]));
    const journal = await listening();
    await eventually(async () => expect(await health(journal)).toMatchObject({ isReady: false, detail: expect.stringContaining('keeps messages for ever') }));
    const found = await apply();
    expect(found).toEqual([
      { topic: topic(), isMissing: false, differences: ['partitions is 3, declared 8', 'retention.ms is -1, declared 604800000'], problem: expect.stringContaining('longer than the inbox remembers') },
    ]);
    expect(await apply()).toEqual(found);
  });
});
