import { AsyncResource } from 'node:async_hooks';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres, type Postgres } from '@touchstone/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Database, DatabaseUnavailable, migrate, startPostgresServer } from '../index.ts';

const tenant = { id: '6f1c1f6e-2f4b-4a44-9a39-0d7b5c9d9f10' };
const ask = (database: Database) => database.transaction(tenant, (transaction) => transaction.query('select 1 as one'));

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
  await migrate({ url: postgres.url, services: ['retrieval'] });
});
afterAll(() => postgres?.stop());

const open = (server: { url(role: string): string }, options = {}) =>
  new Database({ service: 'retrieval', url: server.url('retrieval'), systemUrl: server.url('retrieval_system'), entities: [], ...options });

it('says DatabaseUnavailable while PostgreSQL is down and recovers by itself when it is back', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'touchstone-restart-'));
  const start = () => startPostgresServer({ folder, isTemporary: true });
  let server = await start();
  await migrate({ url: server.url(), services: ['retrieval'] });
  await server.stop();

  const database = open(server);
  await expect(ask(database)).rejects.toBeInstanceOf(DatabaseUnavailable); // before it was ever up
  await expect(database.check()).rejects.toBeInstanceOf(DatabaseUnavailable);
  server = await start();
  expect(await ask(database)).toEqual([{ one: 1 }]);
  expect(Math.abs(await database.check())).toBeLessThan(15_000); // one clock

  const broken = database.transaction(tenant, async (transaction) => {
    await transaction.query('select 1');
    await server.stop();
    await transaction.query('select 1');
  });
  await expect(broken).rejects.toBeInstanceOf(DatabaseUnavailable); // in the middle of a transaction
  await expect(ask(database)).rejects.toBeInstanceOf(DatabaseUnavailable);
  server = await start();
  expect(await ask(database)).toEqual([{ one: 1 }]);

  await database.close();
  await server.stop();
  await rm(folder, { recursive: true });
});

it('waits for a free connection no longer than it is told', async () => {
  const database = open({ url: (role) => postgres.urlOf(role) }, { poolSize: 1, connectTimeoutMs: 2_000 });
  await database.transaction(tenant, async () => {
    const outside = await new Promise<unknown>((resolve) => freeOfContext(() => ask(database).catch(resolve)));
    expect(outside).toBeInstanceOf(DatabaseUnavailable);
    expect((outside as Error).message).toMatch(/timeout exceeded/);
  });
  expect(await ask(database)).toEqual([{ one: 1 }]);
  await database.close();
});

it('waits for a server that accepts and says nothing no longer than it is told', async () => {
  const sockets: Socket[] = [];
  const silent: Server = createServer((socket) => void sockets.push(socket.on('error', () => undefined))).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as { port: number };
  const database = open({ url: (role) => `postgresql://${role}@127.0.0.1:${port}/x` }, { connectTimeoutMs: 50 });
  await expect(ask(database)).rejects.toBeInstanceOf(DatabaseUnavailable);
  await database.close();
  for (const socket of sockets) socket.destroy();
  silent.close();
});

it('waits for an answer of a frozen session no longer than it is told, and does not use it again', async () => {
  const database = open({ url: (role) => postgres.urlOf(role) }, { poolSize: 1, answerTimeoutMs: 2_000 });
  let frozen: number | undefined;
  try {
    const asked = database.transaction(tenant, async (transaction) => {
      frozen = (await transaction.query('select pg_backend_pid() as pid'))[0].pid;
      process.kill(frozen!, 'SIGSTOP');
      await transaction.query('select 1');
    });
    await expect(asked).rejects.toBeInstanceOf(DatabaseUnavailable);
    const next = await database.transaction(tenant, (transaction) => transaction.query('select pg_backend_pid() as pid'));
    expect(next[0].pid).not.toBe(frozen);
  } finally {
    if (frozen) process.kill(frozen, 'SIGCONT');
    await database.close();
  }
});

it('ends a session that leaves its transaction open, and the pool forgets the connection', async () => {
  const database = open({ url: (role) => postgres.urlOf(role) }, { poolSize: 1 });
  const idle = database.transaction(tenant, async (transaction) => {
    await transaction.query(`set local idle_in_transaction_session_timeout = '1ms'`);
    const { pg_backend_pid: pid } = (await transaction.query('select pg_backend_pid()'))[0];
    await backendEnds(pid);
    await transaction.query('select 1');
  });
  await expect(idle).rejects.toBeInstanceOf(DatabaseUnavailable);
  expect(await ask(database)).toEqual([{ one: 1 }]);
  await database.close();
});

it('passes an ordinary error on as it is', async () => {
  const database = open({ url: (role) => postgres.urlOf(role) });
  await expect(database.transaction(tenant, (transaction) => transaction.query('select 1 / 0'))).rejects.toThrow(/division by zero/);
  await expect(database.transaction(tenant, (transaction) => transaction.query('select 1 / 0'))).rejects.not.toBeInstanceOf(DatabaseUnavailable);
  await database.close();
});

/** Runs a callback outside the transaction's async context. */
const freeOfContext = AsyncResource.bind((callback: () => void) => callback());

async function backendEnds(pid: number): Promise<void> {
  const owner = new pg.Client({ connectionString: postgres.url });
  await owner.connect();
  while ((await owner.query('select 1 from pg_stat_activity where pid = $1', [pid])).rowCount) {}
  await owner.end();
}
