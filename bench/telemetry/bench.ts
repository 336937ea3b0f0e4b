// What logs, figures and traces cost: CPU of the platform's process for each request, by turns on the same machine.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { availableParallelism, loadavg, totalmem } from 'node:os';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { startTestPlatform, type TestPlatform } from '@touchstone/testing';
import autocannon from 'autocannon';

const rounds = 5;
const requests = 3_000;
const connections = 8;
const ticksPerSecond = 100;

/** Reads what comes and answers; another process would be as busy. */
const collector = createServer((request, response) => void request.resume().on('end', () => response.end('{}')));
await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;

const variants: Record<string, NodeJS.ProcessEnv> = {
  'no access lines, no traces': { TOUCHSTONE_ACCESS_LOG: 'debug' },
  'access lines (default)': {},
  'access lines, 1 of 10 traces': { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER_ARG: '0.1' },
  'access lines, all traces': { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint },
};

interface Subject {
  readonly platform: TestPlatform;
  readonly key: string;
  readonly microseconds: { read: number[]; search: number[] };
}

async function prepare(environment: NodeJS.ProcessEnv): Promise<Subject> {
  const platform = await startTestPlatform({ mode: 'one-process', environment });
  await platform.ready();
  const key = await platform.createKey('bench', ['*']);
  const call = async (method: string, path: string, body: object) => {
    const answer = await fetch(`${platform.url}/v1/collections/bench${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  };
  await call('PUT', '', { spaces: [{ name: 'text' }] });
  await call('POST', '/items:upsert', { items: [{ id: 'one', title: 'An item' }, { id: 'two', title: 'Another item' }] });
  const subject = { platform, key, microseconds: { read: [], search: [] } };
  await load(subject, 'read');
  await load(subject, 'search');
  return subject;
}

const cpuSeconds = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
};

/** @returns CPU for each request, in microseconds. */
async function load({ platform, key }: Subject, kind: 'read' | 'search'): Promise<number> {
  const { pid } = platform.processes[0];
  const before = cpuSeconds(pid);
  const search = { method: 'POST' as const, body: JSON.stringify({ query: { itemId: 'one' } }) };
  const result = await autocannon({
    url: `${platform.url}/v1/collections/bench/${kind === 'read' ? 'items/one' : 'search'}`,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(kind === 'search' ? search : {}),
    amount: requests,
    connections,
  });
  if (result.non2xx > 0 || result.errors > 0) throw new Error(`${result.non2xx} answers were none`);
  return ((cpuSeconds(pid) - before) / requests) * 1e6;
}

const median = (values: number[]) => Math.round([...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]);

const subjects: [string, Subject][] = [];
try {
  for (const [name, environment] of Object.entries(variants)) subjects.push([name, await prepare(environment)]);
  for (let round = 0; round < rounds; round++) {
    for (const [, subject] of subjects) {
      subject.microseconds.read.push(await load(subject, 'read'));
      subject.microseconds.search.push(await load(subject, 'search'));
    }
  }
} finally {
  for (const [, { platform }] of subjects) await platform.stop();
  collector.close();
}
const figures = ({ microseconds: { read, search } }: Subject) => ({
  read: { median: median(read), all: read.map(Math.round) },
  search: { median: median(search), all: search.map(Math.round) },
});
const result = {
  date: new Date().toISOString().slice(0, 10),
  command: 'npm run bench:telemetry --workspace bench',
  machine: { cores: availableParallelism(), memoryGB: Math.round(totalmem() / 1e9), node: process.version, loadAtEnd: loadavg()[0] },
  requests,
  connections,
  cpuMicrosecondsPerRequest: Object.fromEntries(subjects.map(([name, subject]) => [name, figures(subject)])),
};
const results = fileURLToPath(new URL('../results/', import.meta.url));
mkdirSync(results, { recursive: true });
writeFileSync(`${results}telemetry.json`, `${JSON.stringify(result, undefined, 2)}\n`);
console.info(JSON.stringify(result, undefined, 2));
