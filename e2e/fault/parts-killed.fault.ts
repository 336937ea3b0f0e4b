import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startTestPlatform, type TestPlatform } from '@touchstone/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { photo } from '../photos.ts';
import { record } from './fault-results.ts';
import { Traffic } from './traffic.ts';

let platform: TestPlatform;
let key: string;

beforeAll(async () => {
  platform = await startTestPlatform({ mode: 'one-process' });
  await platform.ready();
  key = await platform.createKey('parts', ['*']);
});

afterAll(() => platform?.stop());

const logged = (message: string) => platform.processes[0].log.filter((line) => line.includes(`"msg":"${message}`)).length;

it('the model server is killed: a search by vector goes on, texts wait, and all is well again by itself', async (context) => {
  const visual = (path: string, body: object) => fetch(`${platform.url}/v1/visual/${path}`, { method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const compression = (await (await visual('compress', { picture: { base64: await photo(0) }, budget: { tokens: 28 } })).json()) as { id: string };
  const traffic = await Traffic.begin(platform.url, key, 'models');
  process.kill(childOf(platform.processes[0].pid, 'model-server'), 'SIGKILL');
  const vector = Array.from({ length: 384 }, (_, index) => Math.cos(index));
  const byVector = await traffic.call('POST', '/search', { query: { vector, space: 'text' }, limit: 1 });
  expect(byVector.status).toBe(200);
  expect(((await byVector.json()) as { hits: object[] }).hits).toHaveLength(1);
  const expanded = await visual(`compressions/${compression.id}:expand`, { budget: { tokens: 64 } });
  expect({ status: expanded.status, kept: ((await expanded.json()) as { kept: number }).kept }).toEqual({ status: 200, kept: 64 });
  const recoveryMs = await traffic.recovered();
  await traffic.endAndCheck();
  expect(logged('the model server ended; it is started again')).toBe(1);
  record(context, { fault: 'model server killed (kill -9)', seen: `${traffic}; the log says that it is started again`, recoveryMs, stillWorked: 'search by vector or item, reads, other tokens of a compressed picture' });
});

it.for([
  ['SIGINT', 'PostgreSQL restarted (fast shutdown, started again by itself)'],
  ['SIGKILL', 'PostgreSQL killed (kill -9, started again by itself)'],
] as const)('PostgreSQL ends by %s: writes wait, it is started again, nothing is lost', async ([signal, fault], context) => {
  const traffic = await Traffic.begin(platform.url, key, signal.toLowerCase());
  const before = logged('the embedded PostgreSQL ended; it is started again');
  const file = await readFile(join(platform.environment.TOUCHSTONE_DATA_DIR!, 'postgres', 'data', 'postmaster.pid'), 'utf8');
  process.kill(Number(file.split('\n')[0]), signal);
  const recoveryMs = await traffic.recovered();
  await traffic.endAndCheck();
  expect(logged('the embedded PostgreSQL ended; it is started again')).toBe(before + 1);
  record(context, { fault, seen: `${traffic}; the log says that it is started again`, recoveryMs, stillWorked: 'nothing that needs the database' });
});

/** The platform's child whose command line has the word. */
function childOf(parent: number, word: string): number {
  const lines = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).trim().split('\n');
  const children = lines.map((line) => line.trim().split(/ +/)).filter(([, ppid, ...args]) => Number(ppid) === parent && args.join(' ').includes(word));
  expect(children).toHaveLength(1);
  return Number(children[0][0]);
}
