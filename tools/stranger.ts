import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const documentedAddress = '127.0.0.1:8080';
const readyWithinMs = 600_000;

/** Somebody who runs the commands of a page in a folder, without this checkout's programs and npm's settings for it. */
export class Stranger {
  readonly #running: ChildProcess[] = [];
  readonly #environment: NodeJS.ProcessEnv;

  private readonly folder: string;
  /** Where the platform listens, instead of at the documented port. */
  private readonly port: number;

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.port = port;
    const own = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
    const path = process.env.PATH!.split(':').filter((entry) => !entry.includes('node_modules')).join(':');
    this.#environment = { ...Object.fromEntries(own), PATH: path, TOUCHSTONE_PORT: String(port) };
  }

  static async in(folder: string): Promise<Stranger> {
    return new Stranger(folder, await freePort());
  }

  /** @returns what the commands printed. @throws Error when one fails. */
  run(commands: string): string {
    const text = commands.replaceAll(documentedAddress, `127.0.0.1:${this.port}`);
    return execFileSync('bash', ['-euo', 'pipefail', '-c', text], { cwd: this.folder, env: this.#environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  }

  /** In the background and in a process group of its own, until every part is ready. */
  async start(commands: string): Promise<void> {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', commands], { cwd: this.folder, env: this.#environment, detached: true, stdio: ['ignore', 'inherit', 'inherit'] });
    this.#running.push(child);
    const startedAt = Date.now();
    for (;;) {
      if (child.exitCode !== null) throw new Error(`${commands}: ended with ${child.exitCode}`);
      const answer = await fetch(`http://127.0.0.1:${this.port}/readyz`).catch(() => undefined);
      if (answer?.ok) break;
      if (Date.now() - startedAt > readyWithinMs) throw new Error(`${commands}: not ready after ${readyWithinMs / 1000} s: ${await answer?.text()}`);
      await delay(250);
    }
    process.stdout.write(`ready after ${Math.round((Date.now() - startedAt) / 1000)} s\n`);
  }

  /** Ends what was started, and waits until the last process is gone: the database among them still writes. */
  async leave(): Promise<void> {
    for (const { pid } of this.#running) {
      for (let signal: NodeJS.Signals | 0 = 'SIGTERM'; ; signal = 0) {
        try {
          process.kill(-pid!, signal);
        } catch {
          break;
        }
        await delay(100);
      }
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}
