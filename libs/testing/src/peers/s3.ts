import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from './postgres.ts';

const run = promisify(execFile);
const module = 'github.com/versity/versitygw/cmd/versitygw';
const version = 'v1.8.0';
const startLimitMs = 60_000;

export interface S3 {
  /** With the bucket as its path. */
  readonly url: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  stop(): Promise<void>;
}

/**
 * A real S3-compatible server, Versity's gateway over a folder, on loopback with one bucket. It ends with the process that
 * started it. Needs Go, which builds it into the user's cache the first time.
 */
export async function startS3(): Promise<S3> {
  const program = await built();
  const folder = await mkdtemp(join(tmpdir(), 'touchstone-s3-'));
  await mkdir(join(folder, 'blobs'));
  const port = await freePort();
  const keys = { accessKeyId: 'touchstone', secretAccessKey: 'only-for-tests' };
  // The shell reads our pipe: when this process is gone, however it went, so is the server.
  const words = ['--port', `127.0.0.1:${port}`, '--access', keys.accessKeyId, '--secret', keys.secretAccessKey, 'posix', folder];
  const shell = spawn('/bin/sh', ['-c', '"$@" >/dev/null 2>&1 & cat >/dev/null; kill -9 $!', 'sh', program, ...words], { stdio: ['pipe', 'ignore', 'ignore'] });
  const stop = async () => {
    const ended = once(shell, 'exit');
    shell.stdin.end();
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  const limit = performance.now() + startLimitMs;
  while (!(await fetch(`http://127.0.0.1:${port}/`).then(() => true, () => false))) {
    if (performance.now() > limit) {
      await stop();
      throw new Error('The S3 server does not start.');
    }
    await delay(50);
  }
  return { ...keys, url: `http://127.0.0.1:${port}/blobs`, region: 'us-east-1', stop };
}

async function built(): Promise<string> {
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'touchstone-ci', `versitygw-${version}`);
  const program = join(folder, 'versitygw');
  if (!existsSync(program)) await run('go', ['install', `${module}@${version}`], { env: { ...process.env, GOBIN: folder }, timeout: 900_000 });
  return program;
}
