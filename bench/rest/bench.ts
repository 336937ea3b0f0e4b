// REST with a 1 KB body: the gateway in one process and in two against a plain Nest Fastify application, interleaved.
// npm run bench:rest -w bench [-- <rounds>]
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKey } from '@touchstone/gateway';
import { generateTokenKeys } from '@touchstone/runtime/tenant';
import { testDatabase } from '@touchstone/testing';
import pg from 'pg';
import { latencies, type Target, throughput } from './load.ts';
import { note, type ServerSetting } from './note.ts';

const rounds = Number(process.argv[2] ?? 5);
const seconds = 3;
const oneClientRequests = 600;

const folder = mkdtempSync(join(tmpdir(), 'bench-rest-'));
const database = await testDatabase({ service: 'gateway' });
const owner = new pg.Client({ connectionString: database.ownerUrl });
await owner.connect();
await owner.query(`create schema bench; create table bench.note (tenant_id uuid not null, id text not null, text text not null);
  alter table bench.note enable row level security; alter table bench.note force row level security;
  create policy tenant on bench.note using (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
  grant usage on schema bench to gateway; grant insert on bench.note to gateway`);
const { key } = await createKey(database, { tenantName: 'bench', name: 'bench', scopes: ['*'] });

const keys = generateTokenKeys();
const setting = {
  database: { url: database.url, systemUrl: database.systemUrl },
  privateKey: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  publicKey: keys.publicKey.export({ type: 'spki', format: 'pem' }) as string,
  serviceUrl: `unix:${join(folder, 'service')}`,
};

interface Server {
  readonly process: ChildProcess;
  readonly url: string;
}

async function startServer(role: ServerSetting['role']): Promise<Server> {
  const child = fork(new URL('server.ts', import.meta.url), [JSON.stringify({ ...setting, role })], { env: { ...process.env, NODE_ENV: 'production' } });
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  return { process: child, url };
}

/** Seconds of CPU that processes have used so far. */
async function cpuOf(servers: readonly Server[]): Promise<number> {
  const used = await Promise.all(
    servers.map(async ({ process: child }) => {
      child.send('cpu');
      const [{ cpu }] = (await once(child, 'message')) as [{ cpu: NodeJS.CpuUsage }];
      return cpu.user + cpu.system;
    }),
  );
  return used.reduce((sum, each) => sum + each, 0) / 1e6;
}

const [peer, oneProcess, service] = await Promise.all([startServer('peer'), startServer('one-process'), startServer('service')]);
const gateway = await startServer('gateway');
const variants = { peer: [peer], 'one process': [oneProcess], 'two processes': [gateway, service] };
type Variant = keyof typeof variants;

const { id: _, ...withoutId } = note;
const rows: Record<string, (variant: Variant) => Omit<Target, 'url'>> = {
  // The gateway has no route of services without a key, so ours shows one against a peer that asks for none.
  'echo, peer without a key': (variant) => ({ path: variant === 'peer' ? '/v1/open' : '/v1/echoes', key, body: JSON.stringify(note) }),
  'echo, with key': () => ({ path: '/v1/echoes', key, body: JSON.stringify(note) }),
  'one PostgreSQL write': (variant) =>
    variant === 'peer' ? { path: '/v1/written/note-1', key, body: JSON.stringify(note) } : { path: '/v1/echoes/note-1:count', key, body: JSON.stringify(withoutId) },
};

interface Sample {
  perSecond: number;
  cpuMicroseconds: number;
  p50: number;
}
const samples = new Map<string, Sample[]>();
const spins: number[] = [];

for (let round = -1; round < rounds; round++) {
  for (const [row, targetOf] of Object.entries(rows)) {
    // Interleaved, in turn from another start, so that what else the machine does hits all alike.
    const order = Object.keys(variants) as Variant[];
    for (let turn = 0; turn < order.length; turn++) {
      const variant = order[(turn + Math.max(round, 0)) % order.length];
      const target = { ...targetOf(variant), url: variants[variant][0].url };
      if (row.includes('without') && variant === 'peer') delete (target as { key?: string }).key;
      if (round === -1) {
        await throughput(target, 2); // warm
        continue;
      }
      const before = await cpuOf(variants[variant]);
      const { requests, perSecond } = await throughput(target, seconds);
      const cpu = (await cpuOf(variants[variant])) - before;
      const p50 = median(await latencies(target, oneClientRequests));
      const name = `${row}\t${variant}`;
      samples.set(name, [...(samples.get(name) ?? []), { perSecond, cpuMicroseconds: (cpu / requests) * 1e6, p50 }]);
      spins.push(spin());
    }
  }
}

const report = {
  command: `npm run bench:rest -w bench -- ${rounds}`,
  machine: { cpus: cpus().length, model: cpus()[0].model, node: process.version, loadAverage: loadavg(), noise: { spinMs: { minimum: Math.min(...spins), median: median(spins), maximum: Math.max(...spins) } } },
  bodyBytes: Buffer.byteLength(JSON.stringify(note)),
  rows: Object.keys(rows).map((row) => {
    const of = (variant: Variant) => samples.get(`${row}\t${variant}`)!;
    const peerSamples = of('peer');
    const results = (Object.keys(variants) as Variant[]).map((variant) => {
      const own = of(variant);
      return {
        variant,
        requestsPerSecond: round(median(own.map(({ perSecond }) => perSecond))),
        ratio: round(median(own.map(({ perSecond }, index) => perSecond / peerSamples[index].perSecond)), 3),
        cpuMicroseconds: round(Math.min(...own.map(({ cpuMicroseconds }) => cpuMicroseconds))),
        cpuRatio: round(Math.min(...peerSamples.map(({ cpuMicroseconds }) => cpuMicroseconds)) / Math.min(...own.map(({ cpuMicroseconds }) => cpuMicroseconds)), 3),
        p50Ms: round(median(own.map(({ p50 }) => p50)), 3),
        p50OverheadMs: round(median(own.map(({ p50 }, index) => p50 - peerSamples[index].p50)), 3),
      };
    });
    console.log(`\n${row}`);
    console.table(results);
    return { row, results };
  }),
};
console.log(`noise: the same loop took ${report.machine.noise.spinMs.minimum.toFixed(0)} to ${report.machine.noise.spinMs.maximum.toFixed(0)} ms`);
mkdirSync(new URL('../results/', import.meta.url), { recursive: true });
writeFileSync(new URL('../results/rest.json', import.meta.url), `${JSON.stringify(report, null, 2)}\n`);

for (const server of [...Object.values(variants).flat()]) server.process.disconnect();
await owner.end();
await database.drop();
rmSync(folder, { recursive: true });
process.exit(0);

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

function round(value: number, digits = 0): number {
  return Number(value.toFixed(digits));
}

/** A fixed piece of work: how long it takes says what else the machine does. */
function spin(): number {
  const start = performance.now();
  let sum = 0;
  for (let index = 0; index < 2e7; index++) sum += index % 7;
  return sum > 0 ? performance.now() - start : 0;
}
