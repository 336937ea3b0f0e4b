import { seededRandom } from '@touchstone/runtime/random';
import { randomUUID } from 'node:crypto';
import type { ItemUpsertedSchema } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { count, effects, Journal, SecondListener, type Tenant } from '../fixture/journal.ts';
import { ManualClock } from '../fixture/manual-clock.ts';
import { printedSeed } from '../fixture/printed-seed.ts';
import { MessagingHealth, type Publisher, type Received } from '../index.ts';

const retry = { attempts: 3, firstDelayMs: 1_000, maximumDelayMs: 60_000 };

let server: TestDatabase;
let owner: pg.Pool;
let clock: ManualClock;
let journal: Journal;
let ours: Tenant;
let theirs: Tenant;

beforeAll(async () => {
  server = await testDatabase({ service: 'retrieval' });
  owner = new pg.Pool({ connectionString: server.ownerUrl });
  await Journal.prepare(owner);
});

afterAll(async () => {
  await owner?.end();
  await server?.drop();
});

beforeEach(async () => {
  ours = { id: randomUUID() };
  theirs = { id: randomUUID() };
  clock = new ManualClock();
  journal = await Journal.open(server, { clock, retry, random: () => 0 });
});

afterEach(async () => {
  await journal.close();
  await owner.query('truncate retrieval.outbox, retrieval.dead_letter, retrieval.event_attempt');
});

describe('an event', () => {
  it('has its effect once, and leaves the outbox', async () => {
    await journal.write(ours, 'a', 1, 2);
    await journal.settle();
    expect(await effects(owner, ours, 'a')).toEqual([1, 2]);
    expect(await count(owner, 'outbox')).toBe(0);
  });

  it('comes with its tenant, time and data', async () => {
    const seen: Received<typeof ItemUpsertedSchema>[] = [];
    journal.behaviour.before = (event) => void seen.push(event as Received<typeof ItemUpsertedSchema>);
    await journal.write(ours, 'a', 7);
    await journal.settle();
    expect(seen).toMatchObject([{ topic: 'touchstone.retrieval.item.upserted.v1', key: 'a', tenant: ours, time: new Date(clock.now()), data: { itemId: 'a', position: 7 } }]);
  });

  it('is handled for its own tenant only, also beside another tenant’s event of the same key', async () => {
    const seen: unknown[] = [];
    journal.behaviour.after = async ({ tenant }) => {
      const rows = await journal.database().transaction(tenant, (transaction) => transaction.query('select tenant_id from retrieval.effect'));
      seen.push(new Set(rows.map((row: { tenant_id: string }) => row.tenant_id)));
    };
    await journal.write(ours, 'same', 1);
    await journal.write(theirs, 'same', 2);
    await journal.settle();
    expect(seen).toEqual([new Set([ours.id]), new Set([theirs.id])]);
    expect(await effects(owner, ours, 'same')).toEqual([1]);
    expect(await effects(owner, theirs, 'same')).toEqual([2]);
  });

  it('that nobody hears just leaves', async () => {
    await owner.query(`insert into retrieval.outbox (topic, key, tenant_id, event_id, payload) values ('unheard', 'k', $1, $2, '')`, [ours.id, randomUUID()]);
    await journal.settle();
    expect(await count(owner, 'outbox')).toBe(0);
  });

  it('has its effect once when the process dies between effect and removal', async () => {
    await journal.write(ours, 'a', 1, 2, 3);
    const dying: Publisher = {
      async publish(...batch) {
        await journal.transport().publish(...batch);
        throw new Error('killed');
      },
    };
    await expect(journal.settle(dying)).rejects.toThrow('killed');
    expect(await count(owner, 'outbox')).toBe(3);

    for (const table of ['relay', 'relay_lease']) await owner.query(`update retrieval.${table} set expires_at = now() - interval '1 s'`);
    const successor = await Journal.open(server, { clock });
    await successor.settle();
    await successor.close();
    expect(await effects(owner, ours, 'a')).toEqual([1, 2, 3]);
    expect(await count(owner, 'outbox')).toBe(0);
  });

  it('that comes again beside new ones does nothing', async () => {
    const again: Publisher = {
      async publish(events, lease, signal) {
        await journal.transport().publish(events.slice(0, 2), lease, signal);
        return journal.transport().publish(events, lease, signal);
      },
    };
    await journal.write(ours, 'a', 1, 2, 3, 4);
    await journal.settle(again);
    expect(await effects(owner, ours, 'a')).toEqual([1, 2, 3, 4]);
    expect(await count(owner, 'outbox')).toBe(0);
  });

  it('is forgotten two weeks later, and not before', async () => {
    const [old, recent] = [randomUUID(), randomUUID()];
    await owner.query(`insert into retrieval.inbox (consumer, event_id, topic, key, received_at) values ('retrieval', $1, 't', 'k', $3), ('retrieval', $2, 't', 'k', $4)`, [
      old,
      recent,
      new Date(clock.now() - 15 * 86_400_000),
      new Date(clock.now() - 13 * 86_400_000),
    ]);
    await journal.write(ours, 'a', 1);
    await journal.settle();
    const { rows } = await owner.query('select event_id from retrieval.inbox where event_id in ($1, $2)', [old, recent]);
    expect(rows).toEqual([{ event_id: recent }]);
  });

  it('that two relays handle at the same moment has its effect once', async () => {
    await journal.write(ours, 'a', 1, 2);
    await journal.write(theirs, 'a', 1, 2);
    const both: Publisher = {
      async publish(events, lease, signal) {
        const [one, other] = await Promise.all([journal.transport().publish(events, lease, signal), journal.transport().publish([...events], lease, signal)]);
        expect(one.taken.length + other.taken.length).toBe(2 * events.length);
        return one;
      },
    };
    await journal.settle(both);
    expect(await effects(owner, ours, 'a')).toEqual([1, 2]);
    expect(await effects(owner, theirs, 'a')).toEqual([1, 2]);
    expect(await count(owner, 'event_attempt')).toBe(0);
  });
});

describe('a failing event', () => {
  it('holds up the later events of its key only, and is tried again after a growing wait', async () => {
    let failures = 0;
    journal.behaviour.after = ({ key, data }) => {
      if (key === 'bad' && data.position === 1 && failures++ < 3) throw new Error('not now'); // once in the batch, twice alone
    };
    await journal.write(ours, 'bad', 1);
    await journal.write(ours, 'good', 1, 2);
    await journal.write(ours, 'bad', 2);
    expect(await journal.settle()).toBe(500); // half of 1,000: the random part is 0
    expect(await effects(owner, ours, 'good')).toEqual([1, 2]);
    expect(await effects(owner, ours, 'bad')).toEqual([]);

    await journal.write(ours, 'good', 3);
    await journal.write(theirs, 'bad', 9); // another tenant's key of the same name
    await journal.write(ours, 'bad', 3);
    await journal.settle();
    expect(await effects(owner, theirs, 'bad')).toEqual([9]);
    clock.advance(500);
    expect(await journal.settle()).toBe(1_000);
    expect(await effects(owner, ours, 'good')).toEqual([1, 2, 3]);
    expect(await effects(owner, ours, 'bad')).toEqual([]);

    clock.advance(1_000);
    await journal.settle();
    expect(await effects(owner, ours, 'bad')).toEqual([1, 2, 3]);
    expect(await count(owner, 'event_attempt')).toBe(0);
    expect(await count(owner, 'dead_letter')).toBe(0);
  });

  it('still waits after its relay was replaced', async () => {
    journal.behaviour.after = () => {
      throw new Error('not now');
    };
    await journal.write(ours, 'a', 1);
    await journal.settle();
    await journal.close();
    journal = await Journal.open(server, { clock, retry, random: () => 0 });
    expect(await journal.settle()).toBe(500);
    expect(await effects(owner, ours, 'a')).toEqual([]);
    clock.advance(500);
    await journal.settle();
    expect(await effects(owner, ours, 'a')).toEqual([1]);
  });

  it('becomes a dead letter with its cause; its key is parked, others go on', async () => {
    journal.behaviour.before = ({ key, data }) => {
      if (key === 'bad' && data.position === 2) throw new Error('no \0statistics', { cause: new TypeError('images is undefined') });
    };
    await journal.write(ours, 'bad', 1, 2, 3);
    await journal.settle();
    for (const wait of [500, 1_000]) {
      clock.advance(wait);
      await journal.settle();
    }
    await journal.write(ours, 'bad', 4);
    await journal.write(ours, 'good', 1);
    await journal.write(theirs, 'bad', 1); // another tenant's key of the same name
    await journal.settle();

    expect(await effects(owner, ours, 'bad')).toEqual([1]);
    expect(await effects(owner, ours, 'good')).toEqual([1]);
    expect(await effects(owner, theirs, 'bad')).toEqual([1]);
    expect(await count(owner, 'outbox')).toBe(0);
    expect(await count(owner, 'event_attempt')).toBe(0);
    const { rows } = await owner.query('select key, tenant_id, attempts, cause from retrieval.dead_letter order by outbox_id');
    const parked = { key: 'bad', tenant_id: ours.id, attempts: 0, cause: 'An earlier event of this key is a dead letter.' };
    expect(rows).toEqual([{ ...parked, attempts: 3, cause: 'Error: no statistics: TypeError: images is undefined' }, parked, parked]);
    expect(await journal.app.get(MessagingHealth, { strict: false }).health()).toEqual([
      { part: 'outbox', isReady: true, detail: undefined },
      { part: 'dead-letters', isReady: true, detail: '3 dead letters: their keys are parked until they are replayed.' },
    ]);
  });

  it('whose message is no such message is a dead letter that says so', async () => {
    await owner.query(`insert into retrieval.outbox (topic, key, tenant_id, event_id, payload) values ('touchstone.retrieval.item.upserted.v1', 'k', $1, $2, '\\xff')`, [ours.id, randomUUID()]);
    await journal.settle();
    for (const wait of [500, 1_000]) {
      clock.advance(wait);
      await journal.settle();
    }
    const { rows } = await owner.query('select cause from retrieval.dead_letter');
    expect(rows).toEqual([{ cause: expect.stringMatching(/RangeError|premature EOF|invalid/) }]);
  });

  it('whose handler calls what is not there is counted, although the error looks like a lost database', async () => {
    journal.behaviour.after = () => {
      throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    };
    await journal.write(ours, 'a', 1);
    await journal.settle();
    for (const wait of [500, 1_000]) {
      clock.advance(wait);
      await journal.settle();
    }
    expect(await count(owner, 'dead_letter')).toBe(1);
  });
});

it('2,000 events with random failures have 2,000 effects, in the order of each key', async () => {
  const random = seededRandom(printedSeed());
  await journal.close();
  journal = await Journal.open(server, { clock, random, retry: { ...retry, attempts: 100 } });
  journal.behaviour.after = () => {
    if (random() < 0.01) throw new Error('by chance');
  };
  const keys = Array.from({ length: 40 }, (_, index) => `key ${index}`);
  const written = new Map(keys.map((key) => [key, 0]));
  const next = (key: string) => written.set(key, written.get(key)! + 1).get(key)!;
  for (let total = 0; total < 2_000; total += 5) {
    const key = keys[Math.floor(random() * keys.length)];
    await journal.write(ours, key, ...Array.from({ length: 5 }, () => next(key)));
    if (random() < 0.02) clock.advance(await journal.settle());
  }
  while ((await count(owner, 'outbox')) > 0) clock.advance(await journal.settle());

  expect([...written.values()].reduce((sum, last) => sum + last)).toBe(2_000);
  for (const [key, last] of written) expect(await effects(owner, ours, key)).toEqual(Array.from({ length: last }, (_, index) => index + 1));
  expect(await count(owner, 'dead_letter')).toBe(0);
}, 120_000);

describe('a service', () => {
  it('finishes the event in flight before it closes', async () => {
    let finish = () => {};
    const finishing = new Promise<void>((resolve) => (finish = resolve));
    let begin = () => {};
    const begun = new Promise<void>((resolve) => (begin = resolve));
    journal.behaviour.before = () => (begin(), finishing);
    await journal.write(ours, 'a', 1);
    await journal.app.listen();
    await begun;
    const closing = journal.close();
    finish();
    await closing;
    expect(await effects(owner, ours, 'a')).toEqual([1]);
    expect(await count(owner, 'outbox')).toBe(0);
  });

  it('with two handlers of one event does not start', async () => {
    const doubled = await Journal.open(server, { clock }, [SecondListener]);
    await expect(doubled.app.listen()).rejects.toThrow('touchstone.retrieval.item.upserted.v1 has two handlers in one service');
    await doubled.close();
  });
});
