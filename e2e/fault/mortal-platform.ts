import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestPlatform, type TestPlatform } from '@touchstone/testing';
import pg from 'pg';
import { onTestFinished } from 'vitest';

export interface Answer {
  readonly status: number;
  readonly body: Record<string, any>;
}

/** A platform in one process, on a data folder that outlives it: it is killed and started again until the test ends. */
export class MortalPlatform {
  readonly #dataDir: string;
  #platform!: TestPlatform;
  #key = '';

  private constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  /** Starts it for the first time, for the length of a test. */
  static async begin(): Promise<MortalPlatform> {
    const mortal = new MortalPlatform(await mkdtemp(join(tmpdir(), 'touchstone-mortal-')));
    onTestFinished(async () => {
      await mortal.#platform?.stop();
      await rm(mortal.#dataDir, { recursive: true, force: true });
    });
    await mortal.start();
    return mortal;
  }

  get environment(): NodeJS.ProcessEnv {
    return this.#platform.environment;
  }

  /** kill -9 to everything at once. */
  async kill(): Promise<void> {
    await this.#platform.processes[0].stop('SIGKILL');
  }

  /** kill -9, and a start. */
  async killAndStart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Ends when all parts are ready. */
  async start(): Promise<void> {
    this.#platform = await startTestPlatform({ mode: 'one-process', dataDir: this.#dataDir });
    await this.#platform.ready();
    this.#key = (await readFile(join(this.#dataDir, 'admin-key'), 'utf8')).trim();
  }

  /** @param path below `/v1`. @param body sent as JSON, unless it is bytes. */
  async ask(method: string, path: string, body?: object, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const isBytes = body instanceof Uint8Array;
    const answer = await fetch(`${this.#platform.url}/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#key}`, 'content-type': isBytes ? 'application/octet-stream' : 'application/json', ...headers },
      body: isBytes ? (body as Uint8Array<ArrayBuffer>) : body && JSON.stringify(body),
    });
    return { status: answer.status, body: (await answer.json()) as Answer['body'] };
  }

  /** The answer of `ask`, whatever its status. */
  async call(method: string, path: string, body?: object): Promise<Answer['body']> {
    return (await this.ask(method, path, body)).body;
  }

  /** What a path below `/v1` gives. */
  async bytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
    const answer = await fetch(`${this.#platform.url}/v1${path}`, { headers: { authorization: `Bearer ${this.#key}` } });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.bytes();
  }

  /** Asks the embedded PostgreSQL as its owner. */
  async asOwner(sql: string): Promise<Record<string, any>[]> {
    const client = new pg.Client({ host: join(this.#dataDir, 'postgres', 'socket'), user: 'postgres', database: 'touchstone' });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  }
}
