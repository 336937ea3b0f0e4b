import { TritonClient } from '@touchstone/triton-client';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { startModelServer } from './index.ts';
import { layTinyModel } from './tiny-model.ts';

let folder: string;
let parent: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'model-server-main-'));
  await layTinyModel(join(folder, 'repository'), 'tiny');
});

afterEach(async () => {
  parent?.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** A parent that forks the real program, prints its child's pid and lives until it is killed. */
function startParent(): Promise<number> {
  const main = new URL('./main.ts', import.meta.url).pathname;
  const script = `
    const child = require('node:child_process').fork(${JSON.stringify(main)}, ['--model-repository', ${JSON.stringify(join(folder, 'repository'))}, '--listen', ${JSON.stringify(`unix:${folder}/socket`)}],
      { execArgv: ${JSON.stringify(process.execArgv)}, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    child.on('message', () => console.log(child.pid));
    setInterval(() => {}, 1000);`;
  return new Promise((resolve, reject) => {
    parent = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    parent.stdout!.once('data', (pid: Buffer) => resolve(Number(pid)));
    parent.once('exit', () => reject(new Error('the parent ended early')));
  });
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

it('takes over the socket of a server that was killed, and its clients find it again', async () => {
  const client = new TritonClient(`unix:${folder}/socket`);
  const isReady = () => client.modelReady('tiny').catch(() => false);
  const first = await startParent();
  await expect.poll(isReady, { timeout: 10_000 }).toBe(true);
  process.kill(first, 'SIGKILL');
  parent!.kill('SIGKILL');
  await expect.poll(isReady).toBe(false);

  await startParent();
  await expect.poll(isReady, { timeout: 10_000 }).toBe(true);
  const second = startModelServer({ modelRepository: folder, listen: `unix:${folder}/socket`, log: () => {} });
  await expect(second).rejects.toThrow('cannot listen');
  client.close();
});

it('serves as a program, and ends when its parent is killed', async () => {
  const pid = await startParent();
  const client = new TritonClient(`unix:${folder}/socket`);
  await expect.poll(() => client.modelReady('tiny'), { timeout: 10_000 }).toBe(true);
  client.close();
  parent!.kill('SIGKILL');
  await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
});
