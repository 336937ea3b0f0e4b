/**
 * Events from a writer's transaction to a handler's effect, both durable, beside what the machine's PostgreSQL commits in
 * the same run: `npm run bench:messaging`. Peer and events take turns, round by round, on a PostgreSQL of their own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import type { INestMicroservice } from '@nestjs/common';
import { migrate } from '@touchstone/persistence';
import { startPostgres } from '@touchstone/testing';
import pg from 'pg';
import { observer, startService, tables, write } from './service.ts';

const rounds = 5;
const events = 1_000;
const perTransaction = 100;
const idleEvents = 100;
const takeovers = 5;
const takeoverEvents = 64;
const tenant = { id: randomUUID() };

const postgres = await startPostgres();
await migrate({ url: postgres.url, services: ['retrieval'] });
const urls = { url: postgres.urlOf('retrieval'), systemUrl: postgres.urlOf('retrieval_system') };
const owner = new pg.Pool({ connectionString: postgres.url });
owner.on('error', () => undefined); // The server ends while connections do.
await owner.query(tables);

const isTrue = async (sql: string): Promise<boolean> => (await owner.query(`select ${sql} as answer`)).rows[0].answer;

async function until(sql: string): Promise<void> {
  while (!(await isTrue(sql))) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Resolves with the time of the next event in its handler. */
const handled = () => new Promise<number>((resolve) => (observer.onHandled = () => resolve(performance.now())));

/** Events per second from the first write until the last row has left the outbox. */
async function flow(app: INestMicroservice, perCommit: number): Promise<number> {
  const start = performance.now();
  for (let first = 0; first < events; first += perCommit) await write(app, tenant, perCommit, first);
  await until('not exists (select 1 from retrieval.outbox)');
  return events / ((performance.now() - start) / 1_000);
}

/** Commits per second of one connection that inserts one row at a time. */
async function commits(): Promise<number> {
  const client = new pg.Client({ connectionString: urls.url });
  await client.connect();
  const start = performance.now();
  for (let position = 0; position < events; position += 1) {
    await client.query('begin');
    await client.query(`insert into retrieval.effect values ($1, 'plain', $2)`, [tenant.id, position]);
    await client.query('commit');
  }
  const perSecond = events / ((performance.now() - start) / 1_000);
  await client.end();
  return perSecond;
}

/** Milliseconds from a writer's commit to the handler, one event at a time. */
async function latencies(app: INestMicroservice): Promise<number[]> {
  const result: number[] = [];
  for (let position = 0; position < idleEvents; position += 1) {
    const handling = handled();
    await write(app, tenant, 1, position);
    const committed = performance.now();
    result.push((await handling) - committed);
    await until('not exists (select 1 from retrieval.outbox)');
  }
  return result;
}

/** Milliseconds from `kill -9` of the process that holds half of the ranges until another one has handled events of all. */
async function takeover(): Promise<number> {
  const holder: ChildProcess = spawn(process.execPath, [...process.execArgv, new URL('./service.ts', import.meta.url).pathname, urls.url, urls.systemUrl]);
  const app = await startService(urls);
  await until('(select count(distinct owner) = 2 from retrieval.relay_lease where expires_at > now())');
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 2_000)); // Any moment between two renewals.
  const killed = performance.now();
  holder.kill('SIGKILL');
  await write(app, tenant, takeoverEvents, 0);
  await until('not exists (select 1 from retrieval.outbox)');
  const tookMs = performance.now() - killed;
  await app.close();
  return tookMs;
}

const quantile = (values: readonly number[], share: number) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
const summary = (values: readonly number[]) => ({ median: Math.round(quantile(values, 0.5)), lowest: Math.round(Math.min(...values)), highest: Math.round(Math.max(...values)) });

const app = await startService(urls);
await flow(app, perTransaction); // Warm.
const measured = { commits: [] as number[], single: [] as number[], batched: [] as number[] };
for (let round = 0; round < rounds; round += 1) {
  measured.commits.push(await commits());
  measured.single.push(await flow(app, 1));
  measured.batched.push(await flow(app, perTransaction));
}
const idle = await latencies(app);
await app.close();

const takeoversMs: number[] = [];
for (let index = 0; index < takeovers; index += 1) takeoversMs.push(await takeover());

const { rows } = await owner.query(`select count(*)::integer as effects from retrieval.effect where key <> 'plain'`);
const expected = (2 * rounds + 1) * events + idleEvents + takeovers * takeoverEvents;
if (rows[0].effects !== expected) throw new Error(`${rows[0].effects} effects of ${expected} events`);

const result = {
  command: 'npm run bench:messaging --workspace bench',
  machine: `${cpus()[0].model}, ${cpus().length} cores`,
  loadAverage: Number(loadavg()[0].toFixed(1)),
  node: process.version,
  rounds,
  eventsPerRound: events,
  perSecond: {
    'peer: plain commits of one row, one connection': summary(measured.commits),
    'events, one a transaction, until their effect is durable': summary(measured.single),
    [`events, ${perTransaction} a transaction, until their effect is durable`]: summary(measured.batched),
  },
  ratioToPeer: {
    single: Number((quantile(measured.single, 0.5) / quantile(measured.commits, 0.5)).toFixed(2)),
    batched: Number((quantile(measured.batched, 0.5) / quantile(measured.commits, 0.5)).toFixed(2)),
  },
  commitToHandlerAtRestMs: { p50: Number(quantile(idle, 0.5).toFixed(1)), p99: Number(quantile(idle, 0.99).toFixed(1)) },
  takeoverAfterKillMs: { p50: Math.round(quantile(takeoversMs, 0.5)), highest: Math.round(Math.max(...takeoversMs)) },
};
const text = JSON.stringify(result, undefined, 2);
console.log(text);
await mkdir(new URL('../results/', import.meta.url), { recursive: true });
await writeFile(new URL('../results/messaging.json', import.meta.url), `${text}\n`);

await owner.end();
await postgres.stop();
