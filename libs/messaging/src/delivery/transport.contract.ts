import { seededRandom } from '@touchstone/runtime/random';
import { randomUUID } from 'node:crypto';
import { ItemUpsertedSchema } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { JournalProcess } from '../fixture/journal-process.ts';
import { count, effects, Journal, type Tenant } from '../fixture/journal.ts';
import { LossyDatabase } from '../fixture/lossy-database.ts';
import { printedSeed } from '../fixture/printed-seed.ts';
import { type MessagingOptions, replayDeadLetters } from '../index.ts';
import { relayDefaults } from '../relay/relay.ts';

const patience = { timeout: 30_000, interval: 20 };
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

/**
 * What every transport promises, in real time and with real processes.
 *
 * @param place options that give a test a transport of its own.
 */
export function transportContract(name: string, place: () => Promise<Partial<MessagingOptions>>): void {
  let server: TestDatabase;
  let owner: pg.Pool;
  let options: Partial<MessagingOptions>;
  let ours: Tenant;
  let theirs: Tenant;
  let closing: (() => Promise<void>)[];

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
    closing = [];
    ours = { id: randomUUID() };
    theirs = { id: randomUUID() };
    options = { pollMs: 50, leaseMs: 1_000, retry: { attempts: 3, firstDelayMs: 20, maximumDelayMs: 100 }, ...(await place()) };
  });

  afterEach(async () => {
    await Promise.all(closing.map((close) => close()));
    await owner.query('truncate retrieval.outbox, retrieval.dead_letter, retrieval.event_attempt, retrieval.effect, retrieval.relay');
    await owner.query(`update retrieval.relay_lease set owner = null, expires_at = '-infinity'`);
  });

  /** A service that writes and hears events. */
  async function service(more: Partial<MessagingOptions> = {}, urls: { url: string; systemUrl: string } = server): Promise<Journal> {
    const journal = await Journal.open(urls, { ...options, ...more });
    closing.push(() => journal.close());
    return journal;
  }

  async function listening(more?: Partial<MessagingOptions>, urls?: { url: string; systemUrl: string }): Promise<Journal> {
    const journal = await service(more, urls);
    await journal.app.listen();
    return journal;
  }

  async function child(more: Partial<MessagingOptions> = {}): Promise<JournalProcess> {
    const process = await JournalProcess.start(server, { ...options, ...more });
    closing.push(() => process.kill());
    return process;
  }

  const eventually = (check: () => Promise<void>, timeout = patience.timeout) => vi.waitFor(check, { ...patience, timeout });
  const expectEffects = (tenant: Tenant, key: string, expected: number[], timeout?: number) =>
    eventually(async () => expect(await effects(owner, tenant, key)).toEqual(expected), timeout);
  const expectNone = (...tables: string[]) =>
    eventually(async () => {
      for (const table of tables) expect(await count(owner, table)).toBe(0);
    });

  describe(name, () => {
    it('each event has its effect, in the order of its key, and leaves the outbox', async () => {
      const journal = await listening();
      await journal.write(ours, 'a', 1, 2);
      await journal.write(theirs, 'a', 7);
      await journal.write(ours, 'a', 3);
      await expectEffects(ours, 'a', [1, 2, 3]);
      await expectEffects(theirs, 'a', [7]);
      await expectNone('outbox');
    });

    it('keeps the order of a key while handlers fail by chance', async () => {
      const random = seededRandom(printedSeed());
      const journal = await listening({ retry: { attempts: 100, firstDelayMs: 5, maximumDelayMs: 20 } });
      journal.behaviour.after = () => {
        if (random() < 0.05) throw new Error('by chance');
      };
      const keys = ['a', 'b', 'c', 'd', 'e'];
      for (let number = 1; number <= 60; number += 1) await Promise.all(keys.map((key) => journal.write(ours, key, number)));
      for (const key of keys) await expectEffects(ours, key, upTo(60));
      await expectNone('dead_letter', 'event_attempt', 'outbox');
    });

    it('makes a poison event a dead letter with its cause and parks its key; others go on', async () => {
      const journal = await listening();
      journal.behaviour.before = ({ key, data }) => {
        if (key === 'bad' && data.position === 2) throw new Error('poison', { cause: new TypeError('images is undefined') });
      };
      await journal.write(ours, 'bad', 1, 2, 3);
      await journal.write(ours, 'good', 1);
      await eventually(async () => expect(await count(owner, 'dead_letter')).toBe(2));
      await journal.write(ours, 'bad', 4);
      await eventually(async () => expect(await count(owner, 'dead_letter')).toBe(3));
      await journal.write(theirs, 'bad', 1);
      await expectEffects(theirs, 'bad', [1]); // another tenant's key of the same name
      await expectEffects(ours, 'good', [1]);
      await expectEffects(ours, 'bad', [1]);
      const { rows } = await owner.query('select attempts, cause from retrieval.dead_letter order by id');
      const parked = { attempts: 0, cause: 'An earlier event of this key is a dead letter.' };
      expect(rows).toEqual([{ attempts: 3, cause: 'Error: poison: TypeError: images is undefined' }, parked, parked]);
      await expectNone('outbox', 'event_attempt');
    });

    it('replays dead letters in order and before later events, also while those keep coming', async () => {
      const journal = await listening();
      journal.behaviour.before = ({ data }) => {
        if (data.position === 1) throw new Error('poison');
      };
      await journal.write(ours, 'a', 1, 2);
      await eventually(async () => expect(await count(owner, 'dead_letter')).toBe(2));
      journal.behaviour.before = undefined;
      const writing = (async () => {
        for (let number = 3; number <= 40; number += 1) await journal.write(ours, 'a', number);
      })();
      await eventually(async () => expect(await count(owner, 'dead_letter')).toBeGreaterThan(4));
      await replayDeadLetters(journal.database(), { service: 'retrieval', tenant: ours });
      await writing;
      await expectEffects(ours, 'a', upTo(40));
      await expectNone('dead_letter', 'outbox');
    });

    it('gives an event that is delivered again no second effect', async () => {
      const journal = await service();
      await journal.write(ours, 'a', 1, 2);
      await owner.query('create table copy as select id, topic, key, tenant_id, event_id, payload, headers from retrieval.outbox');
      await journal.app.listen();
      await expectEffects(ours, 'a', [1, 2]);
      await expectNone('outbox');
      await owner.query('insert into retrieval.outbox (id, topic, key, tenant_id, event_id, payload, headers) overriding system value select * from copy');
      await owner.query('drop table copy');
      await journal.write(ours, 'a', 3);
      await expectEffects(ours, 'a', [1, 2, 3]);
      await expectNone('outbox');
    });

    it('delivers an event whose transaction took its place first and commits last', async () => {
      const journal = await listening();
      const [added, committing] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const late = journal.database().transaction(ours, async (transaction) => {
        await journal.outbox().add(transaction, ours, ItemUpsertedSchema, { key: 'late', message: { position: 1 } });
        added.resolve();
        await committing.promise;
      });
      await added.promise;
      await journal.write(ours, 'early', 1);
      await expectEffects(ours, 'early', [1]);
      committing.resolve();
      await late;
      await expectEffects(ours, 'late', [1]);
    });

    it('refuses an event of 5 MB at its writer, with the rows that it tells of', async () => {
      const journal = await service();
      const write = journal.database().transaction(ours, async (transaction) => {
        await transaction.query(`insert into retrieval.subject (tenant_id, key) values ($1, 'huge')`, [ours.id]);
        await journal.outbox().add(transaction, ours, ItemUpsertedSchema, { key: 'huge', message: { itemId: 'x'.repeat(5_000_000) } });
      });
      await expect(write).rejects.toThrow('touchstone.events.v1.ItemUpserted for huge has 5000005 bytes; an event has at most 1000000.');
      expect((await owner.query('select 1 from retrieval.subject where tenant_id = $1', [ours.id])).rows).toEqual([]);
      await expectNone('outbox');
    });

    it('carries an event of the largest size, and many of them at once', async () => {
      const journal = await listening();
      await journal.database().transaction(ours, async (transaction) => {
        for (const position of upTo(5)) {
          await journal.outbox().add(transaction, ours, ItemUpsertedSchema, { key: 'large', message: { itemId: 'x'.repeat(999_900), position } });
        }
      });
      await expectEffects(ours, 'large', upTo(5));
    });

    it('shares the work of two consumers without doubling any', async () => {
      const [one, other] = [await listening(), await listening()];
      const keys = upTo(24).map((number) => `key ${number}`);
      for (let number = 1; number <= 10; number += 1) await Promise.all(keys.map((key) => (number % 2 ? one : other).write(ours, key, number)));
      for (const key of keys) await expectEffects(ours, key, upTo(10));
      await expectNone('outbox', 'dead_letter');
    });

    it('has each effect once when the answer to a commit is lost', async () => {
      const lossy = await LossyDatabase.before(server.url);
      closing.push(lossy.stop);
      const writer = await service();
      await listening({}, { url: lossy.url, systemUrl: server.systemUrl });
      for (let last = 5; last <= 15; last += 5) {
        lossy.lose(1);
        await writer.write(ours, 'a', ...upTo(5).map((number) => last - 5 + number));
        await eventually(async () => expect(lossy.remaining).toBe(0));
        await expectEffects(ours, 'a', upTo(last));
      }
      await expectNone('outbox', 'dead_letter');
    });

    it('goes on when the process that relays is killed, after its lease and a poll', async () => {
      const { leaseMs, pollMs } = relayDefaults;
      expect(leaseMs + pollMs).toBeLessThan(5_000); // What is promised; how long this machine took is printed.
      const holder = await child(relayDefaults);
      const successor = await listening(relayDefaults);
      await eventually(async () => expect((await owner.query('select count(*)::integer as ranges from retrieval.relay_lease where expires_at > now() group by owner')).rows).toEqual([{ ranges: 4 }, { ranges: 4 }]));
      const keys = upTo(32).map((number) => `key ${number}`); // In all ranges.
      await holder.kill();
      const killed = performance.now();
      await Promise.all(keys.map((key) => successor.write(ours, key, 1)));
      // Of the relay alone: the group of a broker may take longer to give up a consumer.
      await expectNone('outbox');
      console.log(`relay taken over after ${Math.round(performance.now() - killed)} ms`);
      for (const key of keys) await expectEffects(ours, key, [1]);
    });

    const total = Number(process.env.EVENTS ?? 1_000);
    it(`${total} events have ${total} effects although processes are killed at random`, async () => {
      const random = seededRandom(printedSeed());
      const writer = await service();
      const keys = upTo(20).map((number) => `key ${number}`);
      const perKey = total / keys.length;
      const writing = (async () => {
        for (let first = 1; first <= perKey; first += 5) await Promise.all(keys.map((key) => writer.write(ours, key, ...upTo(Math.min(5, perKey - first + 1)).map((number) => first + number - 1))));
      })();
      let kills = 0;
      for (let isDone = false; !isDone; ) {
        const [victim, other] = await Promise.all([child({ leaseMs: 300 }), child({ leaseMs: 300 })]);
        const until = Math.ceil(total * (0.1 + random() / 5));
        await eventually(async () => {
          isDone = (await count(owner, 'effect')) >= total;
          expect(isDone || victim.handled + other.handled >= until).toBe(true);
        }, 60_000);
        await Promise.all([victim.kill(), other.kill()]);
        kills += 2;
      }
      await writing;
      console.log(`${kills} processes killed`);
      await listening();
      for (const key of keys) await expectEffects(ours, key, upTo(perKey));
      await expectNone('outbox', 'dead_letter');
    }, 600_000);
  });
}
