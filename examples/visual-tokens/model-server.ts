import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { TritonClient } from '@touchstone/triton-client';

const fromRoot = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/**
 * The laptop's model server in a process of its own, all models of the folder loaded. It ends with this process.
 *
 * @throws Error with the reason of a model that does not load.
 */
export async function startModelServer(repository: string): Promise<{ url: string; stop(): Promise<void> }> {
  const server = fork(fromRoot('apps/model-server/src/main.ts'), ['--model-repository', repository, '--listen', '127.0.0.1:0'], {
    execArgv: ['--conditions=@touchstone/source', '--import', fromRoot('source.mjs')],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const ended = once(server, 'exit');
  const stop = async () => {
    server.kill();
    await ended;
  };
  try {
    const [{ url }] = (await Promise.race([once(server, 'message'), ended.then(([code]) => Promise.reject(new Error(`the model server ended with ${code}`)))])) as [{ url: string }];
    await allLoaded(url, await readdir(repository));
    return { url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function allLoaded(url: string, names: readonly string[]): Promise<void> {
  const triton = new TritonClient(url);
  try {
    for (;;) {
      const models = await triton.repositoryIndex();
      const broken = models.find(({ state }) => state === 'UNAVAILABLE');
      if (broken) throw new Error(`${broken.name}: ${broken.reason}`);
      if (names.every((name) => models.some((model) => model.name === name && model.state === 'READY'))) return;
      await delay(50);
    }
  } finally {
    triton.close();
  }
}
