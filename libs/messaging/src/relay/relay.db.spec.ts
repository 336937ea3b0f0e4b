import { randomUUID } from 'node:crypto';
import { ItemUpsertedSchema } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import { Database } from '@touchstone/persistence';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { count, effects, Journal, type Tenant } from '../fixture/journal.ts';
import { ManualClock } from '../fixture/manual-clock.ts';
import { LeaseLost, MessagingHealth, type MessagingOptions, type Publisher, type StoredEvent } from '../index.ts';

let server: TestDatabase;
let owner: pg.Pool;
let tenant: Tenant;
let opened: Journal[];
let clock: ManualClock;

beforeAll(async () => {
  server = await testDatabase({ service: 'retrieval' });
  owner = new pg.Pool({ connectionString: server.ownerUrl });
  await Journal.prepare(owner);
});

afterAll(async () => {
  await owner?.end();
  await server?.drop();
});

beforeEach(() => {
  tenant = { id: randomUUID() };
  opened = [];
  clock = new ManualClock();
});

afterEach(async () => {
  await Promise.all(opened.map((journal) => journal.close()));
  await owner.query(`truncate retrieval.outbox, retrieval.dead_letter, retrieval.event_attempt, retrieval.relay`);
});

async function open(options: Partial<MessagingOptions> = {}): Promise<Journal> {
  const journal = await Journal.open(server, { clock, ...options });
  opened.push(journal);
  return journal;
}

/** As if all relays had stood still for too long. */
const expireLeases = async () => {
  await owner.query(`update retrieval.relay_lease set expires_at = now() - interval '1 s'`);
  await owner.query(`update retrieval.relay set expires_at = now() - interval '1 s'`);
};
/** How many ranges each relay holds, most first; 0 stands for those that nobody does. */
const shares = async () =>
  (await owner.query(`select coalesce(min(owner::text), '') as owner, count(*)::integer as count from retrieval.relay_lease group by owner, owner is null or expires_at <= now() order by 2 desc`)).rows.map(({ owner, count }) => (owner === '' ? 0 : count));
const keys = Array.from({ length: 24 }, (_, index) => `key ${index}`);

/** A promise and the function that fulfils it. */
function gate(): { opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

describe('order', () => {
  it('an event whose transaction took its id first and commits last is delivered', async () => {
    const journal = await open();
    const [added, committing] = [gate(), gate()];
    const late = journal.database().transaction(tenant, async (transaction) => {
      await journal.outbox().add(transaction, tenant, ItemUpsertedSchema, { key: 'late', message: { position: 1 } });
      added.open();
      await committing.opened;
    });
    await added.opened;
    await journal.write(tenant, 'early', 1);
    await journal.settle();
    expect(await effects(owner, tenant, 'early')).toEqual([1]); // not held up by the open transaction either
    expect(await effects(owner, tenant, 'late')).toEqual([]);
    committing.open();
    await late;
    await journal.settle();
    expect(await effects(owner, tenant, 'late')).toEqual([1]);
    expect(await count(owner, 'outbox')).toBe(0);
  });

  it('writers of one key at the same time are delivered in the order of their commits', async () => {
    const journal = await open();
    const [locked, committing] = [gate(), gate()];
    const first = journal.database().transaction(tenant, async (transaction) => {
      await transaction.query(`insert into retrieval.subject (tenant_id, key) values ($1, 'a')`, [tenant.id]);
      locked.open();
      await committing.opened;
      await journal.outbox().add(transaction, tenant, ItemUpsertedSchema, { key: 'a', message: { position: 1 } });
    });
    await locked.opened;
    const second = journal.write(tenant, 'a', 2); // waits for the row
    committing.open();
    await Promise.all([first, second]);
    await journal.settle();
    expect(await effects(owner, tenant, 'a')).toEqual([1, 2]);
  });

  it('a hundred waiting keys do not hide the events behind them', async () => {
    const journal = await open({ batchSize: 10 });
    journal.behaviour.before = ({ key }) => {
      if (key.startsWith('bad')) throw new Error('not now');
    };
    for (let index = 0; index < 30; index += 1) await journal.write(tenant, `bad ${index}`, 1);
    await journal.write(tenant, 'good', 1);
    await journal.settle();
    expect(await effects(owner, tenant, 'good')).toEqual([1]);
    expect(await count(owner, 'outbox')).toBe(30);
  });
});

describe('leases', () => {
  it('two relays side by side deliver everything once, in order, and no range twice', async () => {
    const [one, other] = [await open({ batchSize: 20 }), await open({ batchSize: 20 })];
    for (let number = 1; number <= 10; number += 1) await Promise.all(keys.map((key) => one.write(tenant, key, number)));
    const inHands = new Set<string>();
    const watched = (journal: Journal): Publisher => ({
      async publish(events, lease, signal) {
        const batch = new Set(events.map(({ key }) => key));
        expect([...batch].filter((key) => inHands.has(key))).toEqual([]);
        for (const key of batch) inHands.add(key);
        const publication = await journal.transport().publish(events, lease, signal);
        for (const key of batch) inHands.delete(key);
        return publication;
      },
    });
    while ((await count(owner, 'outbox')) > 0) await Promise.all([one.settle(watched(one)), other.settle(watched(other))]);
    for (const key of keys) expect(await effects(owner, tenant, key)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(await count(owner, 'outbox')).toBe(0);
  });

  it('changing hands at any moment neither loses, repeats nor reorders an event', async () => {
    const relays = [await open({ batchSize: 7 }), await open({ batchSize: 7 }), await open({ batchSize: 7 })];
    let calls = 0;
    for (const { behaviour } of relays) {
      behaviour.after = async () => {
        calls += 1;
        if (calls % 3 === 0) await expireLeases();
        if (calls % 11 === 0) throw new Error('not now');
      };
    }
    for (let number = 1; number <= 10; number += 1) await Promise.all(keys.map((key) => relays[0].write(tenant, key, number)));
    const isEmpty = async () => (await count(owner, 'outbox')) === 0;
    const work = async (journal: Journal) => {
      while (!(await isEmpty())) {
        const waitMs = await journal.relay().round(journal.transport()).catch((error: unknown) => {
          if (error instanceof LeaseLost) return 0;
          throw error;
        });
        clock.advance(waitMs);
      }
    };
    await Promise.all(relays.map(work));
    for (const key of keys) expect(await effects(owner, tenant, key)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(await count(owner, 'dead_letter')).toBe(0);
  });

  it('a relay that lost its lease after it read publishes and removes nothing', async () => {
    const [old, next] = [await open(), await open()];
    await old.write(tenant, 'a', 1, 2);
    const frozen: Publisher = {
      async publish(...batch) {
        await expireLeases();
        await next.relay().round({ publish: async () => ({ taken: [], waiting: new Map() }) }); // takes the ranges, delivers nothing
        return old.transport().publish(...batch);
      },
    };
    await expect(old.relay().round(frozen)).rejects.toThrow(LeaseLost);
    expect(await effects(owner, tenant, 'a')).toEqual([]);
    expect(await count(owner, 'outbox')).toBe(2);
    await next.settle();
    expect(await effects(owner, tenant, 'a')).toEqual([1, 2]);
  });

  it('a relay that lost its lease while it published removes nothing', async () => {
    const [old, next] = [await open(), await open()];
    await old.write(tenant, 'a', 1);
    const frozen: Publisher = {
      async publish(...batch) {
        const publication = await old.transport().publish(...batch);
        await expireLeases();
        await next.relay().round({ publish: async () => ({ taken: [], waiting: new Map() }) });
        return publication;
      },
    };
    await expect(old.relay().round(frozen)).rejects.toThrow(LeaseLost);
    expect(await count(owner, 'outbox')).toBe(1);
    await next.settle();
    expect(await effects(owner, tenant, 'a')).toEqual([1]);
    expect(await count(owner, 'outbox')).toBe(0);
  });

  it('the fencing number grows with each change of hands only', async () => {
    const [one, other] = [await open(), await open()];
    const fencings = async () => (await owner.query('select fencing::integer from retrieval.relay_lease order by range')).rows.map(({ fencing }) => fencing);
    const before = await fencings();
    await one.settle();
    await owner.query(`update retrieval.relay_lease set expires_at = now() + interval '1 s'`);
    await one.settle(); // renews
    const { rows } = await owner.query(`select bool_and(expires_at > now() + interval '2 s') as renewed from retrieval.relay_lease`);
    expect(rows[0].renewed).toBe(true);
    expect(await fencings()).toEqual(before.map((fencing) => fencing + 1));
    await other.settle(); // gets none
    expect(await fencings()).toEqual(before.map((fencing) => fencing + 1));
    await expireLeases();
    await other.settle();
    expect(await fencings()).toEqual(before.map((fencing) => fencing + 2));
  });

  it('are shared by the relays that run: one that joins gets its part, one that stops or is killed leaves it', async () => {
    const [one, other, third] = [await open(), await open(), await open()];
    await one.settle();
    expect(await shares()).toEqual([8]);
    await other.settle(); // finds none free, and is counted
    await one.settle(); // gives half of them back
    await other.settle();
    expect(await shares()).toEqual([4, 4]);
    await third.settle();
    for (const each of [one, other, third]) await each.settle();
    expect(await shares()).toEqual([3, 3, 2]);
    await third.close();
    opened.splice(opened.indexOf(third), 1);
    for (const each of [one, other]) await each.settle();
    expect(await shares()).toEqual([4, 4]);
    await expireLeases(); // both
    await one.settle();
    expect(await shares()).toEqual([8]);
  });

  it('that change hands while events flow keep order and effects', async () => {
    const relays = [await open({ batchSize: 7 })];
    for (let number = 1; number <= 10; number += 1) await Promise.all(keys.map((key) => relays[0].write(tenant, key, number)));
    for (let round = 0; (await count(owner, 'outbox')) > 0; round += 1) {
      if (round % 4 === 1 && relays.length < 5) relays.push(await open({ batchSize: 7 }));
      await Promise.all(relays.map((each) => each.relay().round(each.transport())));
    }
    for (const key of keys) expect(await effects(owner, tenant, key)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(Math.max(...(await shares()))).toBeLessThan(8);
  });

  it('of a relay that was killed go to another when they expire; of one that stops, at once', async () => {
    const killed = await open({ leaseMs: 300 });
    await killed.settle(); // holds all ranges and never gives them back
    await killed.write(tenant, 'a', 1);
    const successor = await Journal.open(server, { pollMs: 20, leaseMs: 60_000 });
    await successor.app.listen();
    await vi.waitFor(async () => expect(await effects(owner, tenant, 'a')).toEqual([1]), { timeout: 10_000 });
    await successor.close();

    const third = await open();
    await third.write(tenant, 'a', 2);
    await third.settle();
    expect(await effects(owner, tenant, 'a')).toEqual([1, 2]);
  });
});

describe('rhythm', () => {
  /** Counts what reaches the database through `systemQuery`. */
  const countStatements = (journal: Journal) => vi.spyOn(journal.database() as Database, 'systemQuery');

  it('at rest there is one transaction with one statement a second', async () => {
    const journal = await open();
    const statements = countStatements(journal);
    await journal.app.listen();
    for (let second = 0; second < 60; second += 1) {
      await vi.waitFor(() => expect(clock.waiting).toBe(1), { timeout: 20_000, interval: 1 });
      clock.advance(1_000);
    }
    await vi.waitFor(() => expect(clock.waiting).toBe(1), { timeout: 20_000, interval: 1 });
    expect(statements.mock.calls.length).toBe(61);
  });

  it('a commit wakes the relay: no time passes', async () => {
    const journal = await open();
    await journal.app.listen();
    await vi.waitFor(() => expect(clock.waiting).toBe(1), { timeout: 20_000, interval: 1 });
    await journal.write(tenant, 'a', 1);
    await vi.waitFor(async () => expect(await effects(owner, tenant, 'a')).toEqual([1]), 20_000);
  });

  it('a batch that outlasts the lease renews it', async () => {
    const journal = await open({ leaseMs: 3_000 });
    await journal.write(tenant, 'a', 1);
    const slow: Publisher = {
      async publish(events: readonly StoredEvent[]) {
        await owner.query(`update retrieval.relay_lease set expires_at = now() + interval '1 ms'`);
        clock.advance(1_000);
        await vi.waitFor(async () => {
          const { rows } = await owner.query(`select min(expires_at) > now() + interval '1 s' as renewed from retrieval.relay_lease`);
          expect(rows[0].renewed).toBe(true);
        }, 20_000);
        return { taken: events, waiting: new Map() };
      },
    };
    await journal.relay().round(slow);
    expect(await count(owner, 'outbox')).toBe(0);
  });

  it('health tells how long the oldest event has waited, and when that is too long', async () => {
    const journal = await open();
    const health = async () => (await journal.app.get(MessagingHealth, { strict: false }).health())[0];
    expect(await health()).toEqual({ part: 'outbox', isReady: true, detail: undefined });
    await journal.write(tenant, 'a', 1);
    await owner.query(`update retrieval.outbox set created_at = now() - interval '100 s'`);
    expect(await health()).toEqual({ part: 'outbox', isReady: true, detail: 'The oldest event has waited for 100 s.' });
    await owner.query(`update retrieval.outbox set created_at = now() - interval '301 s'`);
    expect(await health()).toMatchObject({ isReady: false });
  });

  it('reads at most 8 MB at once', async () => {
    const journal = await open();
    const sizes: number[] = [];
    await owner.query(
      `insert into retrieval.outbox (topic, key, tenant_id, event_id, payload)
       select 'unheard', 'k', $1, gen_random_uuid(), convert_to(repeat('x', 1000000), 'UTF8') from generate_series(1, 20)`,
      [tenant.id],
    );
    await journal.settle({
      async publish(events) {
        sizes.push(events.length);
        return { taken: events, waiting: new Map() };
      },
    });
    expect(sizes).toEqual([9, 9, 2]);
  });
});
