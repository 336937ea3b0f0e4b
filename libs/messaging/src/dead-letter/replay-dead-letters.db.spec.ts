import { randomUUID } from 'node:crypto';
import { ItemDeletedSchema } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { count, effects, Journal, type Tenant } from '../fixture/journal.ts';
import { ManualClock } from '../fixture/manual-clock.ts';
import { replayDeadLetters, type Publisher } from '../index.ts';

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

const replay = (tenant?: Tenant) => replayDeadLetters(journal.database(), { service: 'retrieval', tenant });

describe('a replay', () => {
  const parkTwo = async (key: string) => {
    journal.behaviour.before = ({ data }) => {
      if (data.position === 1) throw new Error('poison');
    };
    await journal.write(ours, key, 1, 2);
    await journal.settle();
    for (const wait of [500, 1_000]) {
      clock.advance(wait);
      await journal.settle();
    }
    expect(await count(owner, 'dead_letter')).toBe(2);
    journal.behaviour.before = undefined;
  };

  it('handles the letters of a key in order and before its later events', async () => {
    await parkTwo('a');
    await journal.write(ours, 'a', 3); // still in the outbox
    expect(await replay()).toBe(2);
    await journal.settle();
    expect(await effects(owner, ours, 'a')).toEqual([1, 2, 3]);
    expect(await count(owner, 'dead_letter')).toBe(0);
    expect(await count(owner, 'outbox')).toBe(0);
  });

  it('keeps the order also when a relay has a later event of the key in its hand', async () => {
    await parkTwo('a');
    await journal.write(ours, 'a', 3);
    let isReplayed = false;
    const interrupted: Publisher = {
      async publish(...batch) {
        if (!isReplayed) isReplayed = (await replay()) === 2;
        return journal.transport().publish(...batch);
      },
    };
    await expect(journal.settle(interrupted)).rejects.toThrow('Another relay took over');
    await journal.settle(interrupted);
    expect(await effects(owner, ours, 'a')).toEqual([1, 2, 3]);
    expect(await count(owner, 'dead_letter')).toBe(0);
  });

  it('keeps the order also against an event that was written before it and commits after it', async () => {
    await parkTwo('a');
    let commit = () => {};
    const committing = new Promise<void>((resolve) => (commit = resolve));
    let isAdded = () => {};
    const added = new Promise<void>((resolve) => (isAdded = resolve));
    const late = journal.database().transaction(ours, async (transaction) => {
      await journal.outbox().add(transaction, ours, ItemDeletedSchema, { key: 'a', message: { itemId: 'a', position: 3 } });
      isAdded();
      await committing;
    });
    await added;
    expect(await replay()).toBe(2);
    commit();
    await late;
    await journal.settle();
    expect(await effects(owner, ours, 'a')).toEqual([1, 2, 3]);
  });

  it('of one tenant leaves the letters of others, and a letter that fails again is parked again', async () => {
    await parkTwo('a');
    expect(await replay(theirs)).toBe(0);
    journal.behaviour.before = ({ data }) => {
      if (data.position === 2) throw new Error('poison too');
    };
    expect(await replay(ours)).toBe(2);
    await journal.settle();
    for (const wait of [500, 1_000]) {
      clock.advance(wait);
      await journal.settle();
    }
    expect(await effects(owner, ours, 'a')).toEqual([1]);
    const { rows } = await owner.query('select cause, attempts from retrieval.dead_letter');
    expect(rows).toEqual([{ cause: 'Error: poison too', attempts: 3 }]);
  });
});
