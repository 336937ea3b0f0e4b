import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Health, Running } from '@touchstone/runtime/lifecycle';
import { log } from '@touchstone/runtime/logging';
import { pullModels, repositoryFolder } from '../models/index.ts';

const retryPullMs = 30_000;
const restartMs = 1_000;

export interface ModelHostOptions {
  /** Where weights and tokenisers lie. */
  readonly modelsDir: string;
  /** Another manifest than the repository's. */
  readonly manifest?: string;
  /** A model server that somebody else runs; without it, an own one as a child process. */
  readonly url?: string;
}

/**
 * The models' server of a laptop: brings weights that are missing, then runs apps/model-server as a child on a Unix
 * socket, and starts it again when it dies. All of it in the background: the platform serves what needs no model.
 */
export class ModelHost implements Running {
  readonly repository: string;
  private readonly stopping = new AbortController();
  private child: ChildProcess | undefined;
  private work: Promise<void> = Promise.resolve();
  private pulling: string | undefined = 'is about to look for its weights';

  private constructor(
    private readonly options: ModelHostOptions,
    readonly url: string,
    private readonly socketFolder: string | undefined,
  ) {
    this.repository = repositoryFolder(options.modelsDir);
  }

  static async start(options: ModelHostOptions): Promise<ModelHost> {
    if (options.url) return new ModelHost(options, options.url, undefined);
    await mkdir(options.modelsDir, { recursive: true });
    // A fresh folder: a killed server leaves its socket behind, and a deep path would be too long for one.
    const folder = await mkdtemp(join(tmpdir(), 'touchstone-models-'));
    const host = new ModelHost(options, `unix:${join(folder, 'socket')}`, folder);
    host.work = host.run().catch((error: unknown) => log.error({ err: error }, 'the model host failed'));
    return host;
  }

  async health(): Promise<Health[]> {
    if (this.options.url) return [];
    if (this.pulling) return [{ part: 'model weights', isReady: false, detail: this.pulling }];
    return [{ part: 'model weights', isReady: true }];
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.child?.kill('SIGTERM');
    await this.work; // it waits for the child's end, whatever ended it
    if (this.socketFolder) await rm(this.socketFolder, { recursive: true, force: true });
  }

  private async run(): Promise<void> {
    // The server looks at its folder every second and loads what appears there.
    const serving = this.keepServing();
    while (!(await this.pull()) && !(await this.pause(retryPullMs)));
    await serving;
  }

  /** @returns whether all weights are there now. */
  private async pull(): Promise<boolean> {
    const { signal } = this.stopping;
    try {
      let lastLogged = '';
      await pullModels({
        modelsFolder: this.options.modelsDir,
        manifest: this.options.manifest,
        signal,
        onProgress: ({ step, doneBytes, totalBytes }) => {
          this.pulling = `${step} (${megabytes(doneBytes)} of ${megabytes(totalBytes)} MB)`;
          if (step !== lastLogged) log.info({ step }, 'pulling model weights');
          lastLogged = step;
        },
      });
      this.pulling = undefined;
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      this.pulling = `cannot be had; tried again every ${retryPullMs / 1000} s: ${(error as Error).message}`;
      log.error({ err: error }, 'model weights cannot be pulled; texts and pictures wait for them');
      return false;
    }
  }

  private async keepServing(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const main = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.resolve('@touchstone/model-server')));
      this.child = fork(main, ['--model-repository', this.repository, '--listen', this.url], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
      const [code, signal] = await once(this.child, 'exit');
      if (this.stopping.signal.aborted) return;
      log.error({ code, signal }, 'the model server ended; it is started again');
      await this.pause(restartMs);
    }
  }

  /** @returns true when the host stops meanwhile. */
  private async pause(milliseconds: number): Promise<boolean> {
    await delay(milliseconds, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    return this.stopping.signal.aborted;
  }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
