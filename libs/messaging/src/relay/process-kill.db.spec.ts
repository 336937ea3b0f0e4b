import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { count, effects, Journal } from '../fixture/journal.ts';

const program = fileURLToPath(new URL('../fixture/program.ts', import.meta.url));
const kills = 4;

let server: TestDatabase;
let owner: pg.Pool;
let child: ChildProcess | undefined;

beforeAll(async () => {
  server = await testDatabase({ service: 'retrieval' });
  owner = new pg.Pool({ connectionString: server.ownerUrl });
  await Journal.prepare(owner);
});

afterAll(async () => {
  child?.kill('SIGKILL'); // When the test failed.
  await owner?.end();
  await server?.drop();
});

/** Runs the program until it has handled so many events, and kills it in the middle of what it does then. */
async function runUntil(events: number): Promise<void> {
  const running = spawn(process.execPath, [...process.execArgv, program, server.url, server.systemUrl], { stdio: ['ignore', 'pipe', 'inherit'] });
  child = running;
  const ended = new Promise((resolve) => running.once('exit', resolve));
  let seen = 0;
  for await (const _ of createInterface(running.stdout)) {
    seen += 1;
    if (seen === events) running.kill('SIGKILL');
  }
  await ended;
  expect(seen).toBeGreaterThanOrEqual(events);
}

it('kill -9 in the middle of batches loses no event, repeats no effect and keeps the order', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000);
  console.log(`seed ${seed}`);
  const tenant = { id: randomUUID() };
  const keys = ['a', 'b', 'c'];
  const writer = await Journal.open(server);
  for (let kill = 0; kill < kills; kill += 1) {
    for (let number = kill * 25 + 1; number <= (kill + 1) * 25; number += 1) await Promise.all(keys.map((key) => writer.write(tenant, key, number)));
    await runUntil(1 + ((seed * (kill + 1) * 7) % 45));
  }

  await writer.app.listen();
  await vi.waitFor(async () => expect(await count(owner, 'outbox')).toBe(0), { timeout: 30_000, interval: 100 });
  await writer.close();
  for (const key of keys) expect(await effects(owner, tenant, key)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
}, 90_000);
