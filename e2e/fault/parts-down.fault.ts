import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandFailed, modelsDir, runTouchstone, startTestPlatform, type TestPlatform } from '@touchstone/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

let platform: TestPlatform;
let key: string;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'touchstone-parts-'));
  platform = await startTestPlatform({ mode: 'one-process', dataDir: folder });
  await platform.ready();
  key = await platform.createKey('parts', ['*']);
  expect((await call('PUT', '')).status).toBe(200);
  expect((await call('POST', '/items:upsert', { items: [{ id: 'one', title: 'Something that stays' }] })).status).toBe(200);
});

afterAll(async () => {
  await platform.stop();
  await rm(folder, { recursive: true, force: true });
});

const call = (method: string, path: string, body: object | undefined = method === 'GET' ? undefined : {}) =>
  fetch(`${platform.url}/v1/collections/parts${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });

/** The platform's child whose command line has the word. */
function childOf(parent: number, word: string): number {
  const lines = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).trim().split('\n');
  const children = lines.map((line) => line.trim().split(/ +/)).filter(([, ppid, ...args]) => Number(ppid) === parent && args.join(' ').includes(word));
  expect(children).toHaveLength(1);
  return Number(children[0][0]);
}

describe('the model server is killed', () => {
  it('a search by vector goes on, a text waits with Retry-After, and all is well again by itself', async () => {
    process.kill(childOf(platform.processes[0].pid, 'model-server'), 'SIGKILL');
    const vector = Array.from({ length: 384 }, (_, index) => Math.cos(index));
    const byVector = await call('POST', '/search', { query: { vector, space: 'text' } });
    expect(byVector.status).toBe(200);
    expect(((await byVector.json()) as { hits: object[] }).hits).toHaveLength(1);

    const byText = await call('POST', '/search', { query: { text: 'a text nobody asked for before' } });
    if (byText.status !== 200) {
      expect(byText.status).toBe(503);
      expect(byText.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(await byText.json()).toMatchObject({ type: '/problems/model-not-ready' });
    }
    await vi.waitFor(async () => expect((await call('POST', '/search', { query: { text: 'once more' } })).status).toBe(200), { timeout: 30_000, interval: 300 });
  });
});

describe('PostgreSQL is killed', () => {
  it('calls get a 503 with Retry-After, it is started again, and nothing is lost', async () => {
    process.kill(childOf(platform.processes[0].pid, 'bin/postgres'), 'SIGKILL');
    const answer = await call('POST', '/items:upsert', { items: [{ id: 'two', title: 'Comes while the database is away' }] });
    if (answer.status !== 200) {
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    }
    await vi.waitFor(async () => expect((await call('GET', '/items/one')).status).toBe(200), { timeout: 60_000, interval: 300 });
    expect((await call('POST', '/items:upsert', { items: [{ id: 'three', title: 'Comes afterwards' }] })).status).toBe(200);
    const search = await call('POST', '/search', { query: { text: 'Something that stays' }, limit: 1 });
    expect(await search.json()).toMatchObject({ hits: [{ id: 'one' }] });
  });
});

describe('what doctor says', () => {
  const doctor = (environment: NodeJS.ProcessEnv) =>
    runTouchstone(['doctor'], { TOUCHSTONE_DATA_DIR: folder, TOUCHSTONE_MODELS_DIR: modelsDir, ...environment }).catch((error: unknown) => {
      if (error instanceof CommandFailed) return error.output;
      throw error;
    });

  it('a port in use', async () => {
    const other = createServer((_, response) => response.end('somebody else')).listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const said = await doctor({ TOUCHSTONE_PORT: String(port) });
    other.closeAllConnections();
    other.close();
    expect(said).toMatch(/FAULT +port 127\.0\.0\.1:\d+: is used by another program/);
    expect(said).toContain('set TOUCHSTONE_PORT');
    await expect(startTestPlatform({ mode: 'one-process', environment: { TOUCHSTONE_PORT: new URL(platform.url).port } })).rejects.toThrow(/EADDRINUSE/);
  });

  it('a platform that runs', async () => {
    const said = await doctor({ TOUCHSTONE_PORT: new URL(platform.url).port });
    expect(said).toMatch(/ok +port .*: a platform serves here/);
    expect(said).toMatch(/ok +serving gateway database: is ready/);
  });

  it('a corrupt and a missing model', async () => {
    const broken = join(folder, 'broken-models');
    const model = join('laptop', 'embed-text');
    await mkdir(join(broken, model, '1'), { recursive: true });
    for (const file of await readdir(join(modelsDir, model))) {
      if (file.includes('.')) await copyFile(join(modelsDir, model, file), join(broken, model, file));
    }
    await writeFile(join(broken, model, '1/model.onnx'), 'not a graph');
    const said = await doctor({ TOUCHSTONE_MODELS_DIR: broken });
    expect(said).toMatch(/FAULT +model embed-text: its files are corrupt/);
    expect(said).toMatch(/FAULT +model embed-image: its files are missing/);
    expect(said).toContain('touchstone models pull');
  });

  it('a database that is not there', async () => {
    const url = 'postgresql://nobody@127.0.0.1:1/none';
    const said = await doctor({
      TOUCHSTONE_DATABASE_URL: url,
      TOUCHSTONE_GATEWAY_DATABASE_URL: url,
      TOUCHSTONE_GATEWAY_SYSTEM_DATABASE_URL: url,
      TOUCHSTONE_RETRIEVAL_DATABASE_URL: url,
      TOUCHSTONE_RETRIEVAL_SYSTEM_DATABASE_URL: url,
    });
    expect(said).toMatch(/FAULT +database of gateway: .*ECONNREFUSED/);
    expect(said).toContain('TOUCHSTONE_RETRIEVAL_SYSTEM_DATABASE_URL');
  });
});
