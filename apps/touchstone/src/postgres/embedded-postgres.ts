import { chmod, mkdir, realpath, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PostgresStartFailure, startPostgresServer, type PostgresServer } from '@touchstone/persistence';
import { createDatabase } from './create-database.ts';
import { lockFolder } from './folder-lock.ts';
import { endOrphan } from './orphan.ts';

export interface EmbeddedPostgres {
  /** Connection URL over the Unix socket. Default: the superuser `postgres` and the database `touchstone`. */
  url(role?: string, database?: string): string;
  /** Resolves when PostgreSQL has ended, asked or not. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/**
 * The laptop's own PostgreSQL, with the database `touchstone`: durable settings, Unix socket only, in a folder that only
 * its user may enter. Data stay between starts; a start after `kill -9` ends the PostgreSQL that was left behind and
 * recovers.
 *
 * As root PostgreSQL runs as the user `postgres`: the parent of `dataDir` gets `o+x` (enter, not list) for it.
 *
 * @param dataDir its own folder, made when absent (`.touchstone/postgres`).
 * @throws Error that says what is wrong and what to do: folder in use by another process, disk full, data of another
 *   major version.
 */
export async function startEmbeddedPostgres({ dataDir }: { dataDir: string }): Promise<EmbeddedPostgres> {
  const isRoot = userInfo().uid === 0;
  await mkdir(dirname(resolve(dataDir)), { recursive: true, mode: isRoot ? 0o711 : 0o700 });
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const folder = await realpath(dataDir); // One name, by which an orphan is recognised.
  if (isRoot) await letEnter(dirname(folder));
  const unlock = await lockFolder(folder);
  try {
    const server = await startAlone(folder);
    try {
      await createDatabase(server.url(), 'touchstone');
    } catch (error) {
      await server.stop();
      throw error;
    }
    return {
      url: (role = 'postgres', database = 'touchstone') => server.url(role, database),
      ended: server.ended,
      async stop() {
        await server.stop();
        await unlock();
      },
    };
  } catch (error) {
    await unlock();
    throw error;
  }
}

/** What a killed parent left behind may come up, or go down, while we start. */
async function startAlone(folder: string, attempts = 5): Promise<PostgresServer> {
  await endOrphan(join(folder, 'data'));
  try {
    return await startPostgresServer({ folder });
  } catch (error) {
    if (!(error instanceof PostgresStartFailure) || error.reason !== 'folder-in-use' || attempts === 1) throw error;
    await delay(200);
    return startAlone(folder, attempts - 1);
  }
}

async function letEnter(folder: string): Promise<void> {
  const { mode } = await stat(folder);
  if (!(mode & 0o001)) await chmod(folder, mode | 0o001);
}
