import { readdirSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '@touchstone/persistence';
import pg from 'pg';
import { startPostgres, type Postgres } from './postgres.ts';

/** Where the test run's template server listens; set for the processes of the test files. */
export const templateServerVariable = 'TOUCHSTONE_TEST_POSTGRES';

/** One line of JSON from the server to a test file: its database, or why there is none. */
export type Answer = { name: string; ownerUrl: string; roleUrls: Record<string, string> } | { error: string };

/** Services whose migrations the template has: all of `migrations/`. */
export const migratedServices: readonly string[] = readdirSync(new URL('../../../../migrations/', import.meta.url));

/**
 * Serves databases to test files: one PostgreSQL a run, started by the first request, with one template that has all
 * migrations. A connection is a database: it is dropped when the connection ends, so a test file that crashes leaves
 * nothing. The request is one line, `migrated` or `empty`.
 *
 * @returns the socket's path, and a function that stops all of it.
 */
export async function startTemplateServer(): Promise<{ path: string; stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'touchstone-template-'));
  await chmod(folder, 0o700);
  const path = join(folder, 'socket');
  const sockets = new Set<Socket>();
  const drops = new Set<Promise<unknown>>();
  let starting: Promise<Postgres> | undefined;
  let count = 0;

  const serve = async (socket: Socket, request: string) => {
    const postgres = await (starting ??= startWithTemplate());
    const name = `test_${++count}`;
    await execute(postgres.url, `create database ${name} template ${request === 'empty' ? 'template0' : 'migrated'}`);
    const drop = () => {
      // Without force PostgreSQL waits 5 s for sessions that are just ending. What stays goes with the server.
      const dropping: Promise<void> = execute(postgres.url, `drop database ${name}`)
        .catch(() => execute(postgres.url, `drop database ${name} with (force)`))
        .catch(() => undefined)
        .finally(() => drops.delete(dropping));
      drops.add(dropping);
    };
    if (socket.destroyed) drop();
    else socket.once('close', drop);
    const roles = migratedServices.flatMap((service) => [service, `${service}_system`]);
    const roleUrls = Object.fromEntries(roles.map((role) => [role, postgres.urlOf(role, name)]));
    socket.write(`${JSON.stringify({ name, ownerUrl: postgres.urlOf('postgres', name), roleUrls } satisfies Answer)}\n`);
  };

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket)).resume();
    socket.once('data', (line) => {
      serve(socket, line.toString().trim()).catch((error: Error) => socket.write(`${JSON.stringify({ error: error.stack ?? String(error) } satisfies Answer)}\n`));
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));

  return {
    path,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await Promise.allSettled(drops);
      await (await starting?.catch(() => undefined))?.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startWithTemplate(): Promise<Postgres> {
  const postgres = await startPostgres({ settings: { max_connections: '200' } });
  try {
    await execute(postgres.url, 'create database migrated');
    await migrate({ url: postgres.urlOf('postgres', 'migrated'), services: migratedServices });
    return postgres;
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
