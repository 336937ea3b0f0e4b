import { randomUUID } from 'node:crypto';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import pg from 'pg';
import { EntitySchema, type EntityManager } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { afterCommit, Database, insertOnce } from '../index.ts';

class Collection {
  tenantId!: string;
  name!: string;
  spaces!: unknown;
}

class InboxRow {
  consumer!: string;
  eventId!: string;
  topic!: string;
  key!: string;
}

class OutboxRow {
  id!: string;
  topic!: string;
  key!: string;
  eventId!: string;
  payload!: Buffer;
}

const entities = [
  new EntitySchema<Collection>({
    target: Collection,
    name: 'Collection',
    schema: 'retrieval',
    tableName: 'collection',
    columns: { tenantId: { type: 'uuid', primary: true }, name: { type: 'text', primary: true }, spaces: { type: 'jsonb' } },
  }),
  new EntitySchema<InboxRow>({
    target: InboxRow,
    name: 'InboxRow',
    schema: 'retrieval',
    tableName: 'inbox',
    columns: { consumer: { type: 'text', primary: true }, eventId: { type: 'uuid', primary: true }, topic: { type: 'text' }, key: { type: 'text' } },
  }),
  new EntitySchema<OutboxRow>({
    target: OutboxRow,
    name: 'OutboxRow',
    schema: 'retrieval',
    tableName: 'outbox',
    columns: {
      id: { type: 'bigint', primary: true, generated: 'increment' },
      topic: { type: 'text' },
      key: { type: 'text' },
      eventId: { type: 'uuid' },
      payload: { type: 'bytea' },
    },
  }),
];

const policyViolation = /violates row-level security policy/;
const denied = /permission denied for table/;

let server: TestDatabase;
let database: Database;
let owner: pg.Client;
let ours: { id: string };
let theirs: { id: string };

beforeAll(async () => {
  server = await testDatabase({ service: 'retrieval' });
  database = new Database({ service: 'retrieval', url: server.url, systemUrl: server.systemUrl, entities });
  owner = new pg.Client({ connectionString: server.ownerUrl });
  await owner.connect();
});

afterAll(async () => {
  await database?.close();
  await owner?.end();
  await server?.drop();
});

beforeEach(() => {
  ours = { id: randomUUID() };
  theirs = { id: randomUUID() };
});

const collection = (tenant: { id: string }, name: string) => Object.assign(new Collection(), { tenantId: tenant.id, name, spaces: [] });
const received = (eventId = randomUUID()) => Object.assign(new InboxRow(), { consumer: 'statistics', eventId, topic: 't', key: 'k' });
const event = (eventId = randomUUID()) => Object.assign(new OutboxRow(), { topic: 't', key: 'k', eventId, payload: Buffer.from('x') });
const names = async (transaction: EntityManager) => (await transaction.find(Collection, { order: { name: 'asc' } })).map(({ name }) => name);
const count = async (table: string, where: string, value: string) =>
  Number((await owner.query(`select count(*) from retrieval.${table} where ${where} = $1`, [value])).rows[0].count);

describe('a tenant', () => {
  it('sees and changes its own rows only', async () => {
    await database.transaction(ours, (transaction) => transaction.insert(Collection, collection(ours, 'a')));
    await database.transaction(theirs, (transaction) => transaction.insert(Collection, collection(theirs, 'b')));
    expect(await database.transaction(ours, names)).toEqual(['a']);
    const changed = await database.transaction(ours, (transaction) => transaction.query(`update retrieval.collection set spaces = '[1]'`));
    expect(changed[1]).toBe(1);
    const deleted = await database.transaction(ours, (transaction) => transaction.query(`delete from retrieval.collection where tenant_id = $1`, [theirs.id]));
    expect(deleted[1]).toBe(0);
  });

  it('cannot insert or move a row to another tenant', async () => {
    await expect(database.transaction(ours, (transaction) => transaction.insert(Collection, collection(theirs, 'x')))).rejects.toThrow(policyViolation);
    await database.transaction(ours, (transaction) => transaction.insert(Collection, collection(ours, 'y')));
    await expect(database.transaction(ours, (transaction) => transaction.query('update retrieval.collection set tenant_id = $1', [theirs.id]))).rejects.toThrow(policyViolation);
  });

  it('is forgotten with its transaction: the connection alone sees nothing and inserts nothing', async () => {
    const alone = new Database({ service: 'retrieval', url: server.url, systemUrl: server.systemUrl, entities, poolSize: 1 });
    await alone.transaction(ours, (transaction) => transaction.insert(Collection, collection(ours, 'a')));
    const seen = await alone.inboxTransaction(async ({ transaction }) => names(transaction));
    expect(seen).toEqual([]);
    await expect(alone.inboxTransaction(({ transaction }) => transaction.insert(Collection, collection(ours, 'b')))).rejects.toThrow(policyViolation);
    await alone.close();
  });

  it('whose id is no uuid gets an error, not rows', async () => {
    await expect(database.transaction({ id: `' or true --` }, names)).rejects.toThrow(/invalid input syntax for type uuid/);
  });

  it.each(['outbox', 'inbox', 'event_attempt', 'dead_letter', 'relay_lease', 'migration'])('cannot read, change or delete %s', async (table) => {
    for (const sql of [`select 1 from retrieval.${table}`, `delete from retrieval.${table}`, `truncate retrieval.${table}`]) {
      await expect(database.transaction(ours, (transaction) => transaction.query(sql))).rejects.toThrow(denied);
    }
  });

  it('cannot reach the keys', async () => {
    const gateway = await testDatabase({ service: 'gateway' });
    const keys = new Database({ service: 'gateway', url: gateway.url, systemUrl: gateway.systemUrl, entities: [] });
    await expect(keys.transaction(ours, (transaction) => transaction.query('select 1 from gateway.api_key'))).rejects.toThrow(denied);
    await expect(database.transaction(ours, (transaction) => transaction.query('select 1 from gateway.api_key'))).rejects.toThrow(/permission denied for schema gateway/);
    expect(await keys.systemTransaction((transaction) => transaction.query('select 1 from gateway.api_key'))).toEqual([]);
    await keys.close();
    await gateway.drop();
  });

  it.each(['set local role retrieval_system', 'set session authorization postgres', 'alter role retrieval bypassrls', 'alter table retrieval.collection disable row level security'])(
    'cannot rise above its role: %s',
    async (sql) => {
      await expect(database.transaction(ours, (transaction) => transaction.query(sql))).rejects.toThrow(/permission denied|must be owner/);
    },
  );
});

describe('the system role', () => {
  it('lists collections of all tenants, and nothing else of theirs before it names the tenant', async () => {
    const item = `insert into retrieval.item (tenant_id, collection, id, content_hash, position) values ($1, 'a', '1', '', 1)`;
    for (const tenant of [ours, theirs]) {
      await database.transaction(tenant, async (transaction) => {
        await transaction.insert(Collection, collection(tenant, 'a'));
        await transaction.query(item, [tenant.id]);
      });
    }
    const tenantsOf = (table: string) => async (transaction: EntityManager) =>
      (await transaction.query(`select tenant_id from retrieval.${table} where tenant_id in ($1, $2)`, [ours.id, theirs.id])).map((row: { tenant_id: string }) => row.tenant_id);
    expect((await database.systemTransaction(tenantsOf('collection'))).sort()).toEqual([ours.id, theirs.id].sort());
    expect(await database.systemTransaction(tenantsOf('item'))).toEqual([]);
    expect(await database.systemTransaction(tenantsOf('item'), { tenant: ours })).toEqual([ours.id]);
    const deleted = await database.systemTransaction((transaction) => transaction.query('delete from retrieval.collection'));
    expect(deleted[1]).toBe(0);
  });
});

describe('a transaction', () => {
  it('saves rows and event together, or neither', async () => {
    const kept = event();
    await database.transaction(ours, async (transaction) => {
      await transaction.insert(Collection, collection(ours, 'a'));
      expect(await insertOnce(transaction, kept)).toBe(true);
    });
    expect(await count('outbox', 'event_id', kept.eventId)).toBe(1);

    const lost = event();
    const failed = database.transaction(ours, async (transaction) => {
      await transaction.insert(Collection, collection(ours, 'b'));
      await insertOnce(transaction, lost);
      throw new Error('afterwards');
    });
    await expect(failed).rejects.toThrow('afterwards');
    expect(await count('outbox', 'event_id', lost.eventId)).toBe(0);
    expect(await database.transaction(ours, names)).toEqual(['a']);
  });

  it('fails when a statement failed in it, even when its error was swallowed', async () => {
    const swallowing = database.transaction(ours, async (transaction) => {
      await transaction.insert(Collection, collection(ours, 'a'));
      await transaction.query('select 1 / 0').catch(() => undefined);
      return 'done';
    });
    await expect(swallowing).rejects.toThrow(/a statement failed/);
    expect(await database.transaction(ours, names)).toEqual([]);
  });

  it('inside another is an error', async () => {
    await database.transaction(ours, async () => {
      await expect(database.transaction(ours, names)).rejects.toThrow(/another transaction is open/);
      await expect(database.systemTransaction(names)).rejects.toThrow(/another transaction is open/);
      await expect(database.inboxTransaction(async () => 1)).rejects.toThrow(/another transaction is open/);
    });
  });

  it('leaves no trace in work that it started and that outlives it', async () => {
    let goOn = () => {};
    const wait = new Promise<void>((resolve) => (goOn = resolve));
    let later: Promise<string[]> | undefined;
    await database.transaction(ours, async () => {
      later = wait.then(() => database.transaction(theirs, names));
    });
    goOn();
    expect(await later).toEqual([]);
  });

  it('calls back after its commit only', async () => {
    const seen: string[] = [];
    await database.transaction(ours, async (transaction) => {
      afterCommit(transaction, () => seen.push('committed'));
      seen.push('working');
    });
    await database.transaction(ours, async (transaction) => {
      afterCommit(transaction, () => seen.push('never'));
      throw new Error('no');
    }).catch(() => seen.push('rolled back'));
    expect(seen).toEqual(['working', 'committed', 'rolled back']);
  });
});

describe('insertOnce', () => {
  it('of two writers at once lets one win', async () => {
    const insert = () => database.transaction(ours, (transaction) => insertOnce(transaction, collection(ours, 'a')));
    expect((await Promise.all([insert(), insert(), insert()])).sort()).toEqual([false, false, true]);
  });

  it('needs a transaction', async () => {
    const row = collection(ours, 'a');
    await database.transaction(ours, async (transaction) => {
      await expect(insertOnce(transaction.dataSource.manager, row)).rejects.toThrow(/needs an open transaction/);
    });
  });
});

describe('the inbox transaction', () => {
  const save = (tenant: { id: string }, name: string) => database.transaction(tenant, (transaction) => insertOnce(transaction, collection(tenant, name)));

  it('commits inbox rows and effects of several tenants together; a repeated event is not new', async () => {
    const [first, second] = [received(), received()];
    const consume = () =>
      database.inboxTransaction(async ({ transaction, handle }) => {
        const isNew = [await insertOnce(transaction, first)];
        await handle(ours, () => save(ours, 'a'));
        isNew.push(await insertOnce(transaction, second));
        await handle(theirs, () => save(theirs, 'b'));
        return isNew;
      });
    expect(await consume()).toEqual([true, true]);
    expect(await consume()).toEqual([false, false]);
    expect([await database.transaction(ours, names), await database.transaction(theirs, names)]).toEqual([['a'], ['b']]);
  });

  it('loses all of it when a handler fails, even when the handler swallows the error', async () => {
    const row = received();
    const consume = database.inboxTransaction(async ({ transaction, handle }) => {
      await insertOnce(transaction, row);
      await handle(ours, async () => {
        await save(ours, 'a');
        await database.transaction(ours, async () => { throw new Error('half done'); }).catch(() => undefined);
      }).catch(() => undefined);
    });
    await expect(consume).rejects.toThrow('half done');
    expect(await count('inbox', 'event_id', row.eventId)).toBe(0);
    expect(await database.transaction(ours, names)).toEqual([]);
  });

  it('refuses a handler that works for another tenant, for none, or in a nested transaction', async () => {
    const attempt = (tenant: { id: string } | undefined, handler: () => Promise<unknown>) => database.inboxTransaction(({ handle }) => handle(tenant, handler));
    await expect(attempt(ours, () => save(theirs, 'a'))).rejects.toThrow(/belongs to another tenant/);
    await expect(attempt(undefined, () => save(ours, 'a'))).rejects.toThrow(/another transaction is open/);
    await expect(attempt(ours, () => database.transaction(ours, () => save(ours, 'a')))).rejects.toThrow(/another transaction is open/);
    await expect(attempt(ours, () => database.systemTransaction(names))).rejects.toThrow(/another transaction is open/);
  });
});
