import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgresServer } from '@touchstone/persistence';

export interface PostgresOptions {
  /** Also listen on 127.0.0.1, on a free port. Default: Unix socket only. */
  loopback?: boolean;
  /** postgresql.conf settings. The defaults are durable, as in production. */
  settings?: Readonly<Record<string, string>>;
}

export interface Postgres {
  /** Superuser, database `postgres`; over loopback when asked for. */
  readonly url: string;
  /** Process id of the postmaster, for tests that kill it. */
  readonly pid: number;
  /** URL of a role and a database; the role need not have a password. */
  urlOf(role: string, database?: string): string;
  /** Stops the server and deletes its data. */
  stop(): Promise<void>;
}

/** A PostgreSQL of its own in a temporary folder, which ends with the process that started it, even when that is killed. */
export async function startPostgres({ loopback = false, settings }: PostgresOptions = {}): Promise<Postgres> {
  const folder = await mkdtemp(join(tmpdir(), 'touchstone-postgres-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const server = await startPostgresServer({
      folder,
      settings,
      isTemporary: true,
      loopback: loopback ? { port: await freePort(), password: randomBytes(16).toString('hex') } : undefined,
    });
    const endWatch = endWith(server.pid, folder);
    return {
      url: server.loopbackUrl ?? server.url(),
      pid: server.pid,
      urlOf: server.url,
      async stop() {
        await server.stop();
        endWatch();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** A shell that reads our pipe: when this process is gone, however it went, so are the server and its data. */
function endWith(pid: number, folder: string): () => void {
  const script = 'cat >/dev/null; kill -QUIT "$0" 2>/dev/null; while kill -0 "$0" 2>/dev/null; do sleep 0.1; done; rm -rf "$1"';
  const watch = spawn('/bin/sh', ['-c', script, String(pid), folder], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  watch.unref();
  (watch.stdin as unknown as { unref(): void }).unref();
  return () => watch.kill('SIGKILL') && watch.stdin.destroy();
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
