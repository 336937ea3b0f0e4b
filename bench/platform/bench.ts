// How long `serve` takes to its first answered search, and what the idle platform weighs.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startTestPlatform } from '@touchstone/testing';

const rounds = 5;
const idleMs = 10_000;

interface Start {
  /** From the start of the process to the first answer of a search by text. */
  readonly firstSearchMs: number;
  /** Proportional set size of all processes, ten seconds after the last call. */
  readonly idleMegabytes: Readonly<Record<string, number>>;
}

async function start(dataDir: string): Promise<Start> {
  const begun = performance.now();
  const platform = await startTestPlatform({ mode: 'one-process', dataDir });
  try {
    const key = readFileSync(join(dataDir, 'admin-key'), 'utf8').trim();
    const call = (method: string, path: string, body: object) =>
      fetch(`${platform.url}/v1/collections/bench${path}`, {
        method,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    await call('PUT', '', { spaces: [{ name: 'text' }] });
    while ((await call('POST', '/search', { query: { text: 'the first search' } })).status !== 200) await delay(50);
    const firstSearchMs = performance.now() - begun;
    await delay(idleMs);
    return { firstSearchMs, idleMegabytes: memoryOf(platform.processes[0].pid, dataDir) };
  } finally {
    await platform.stop();
  }
}

/** The platform's process and its children, and PostgreSQL, which has a session of its own. */
function memoryOf(pid: number, dataDir: string): Record<string, number> {
  const all = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/ +/))
    .map(([own, parent, ...words]) => ({ pid: Number(own), parent: Number(parent), command: words.join(' ') }));
  const under = (root: number): number[] => [root, ...all.filter(({ parent }) => parent === root).flatMap((child) => under(child.pid))];
  const postmaster = all.find(({ command }) => command.includes('bin/postgres') && command.includes(dataDir))!.pid;
  const modelServer = all.find(({ parent, command }) => parent === pid && command.includes('model-server'))!.pid;
  const sum = (pids: readonly number[]) => Math.round(pids.reduce((total, one) => total + pssOf(one), 0));
  const ofPostgres = under(postmaster);
  const ofModels = under(modelServer);
  const rest = under(pid).filter((one) => !ofModels.includes(one) && !ofPostgres.includes(one));
  const parts = { services: sum(rest), modelServer: sum(ofModels), postgres: sum(ofPostgres) };
  return { ...parts, total: parts.services + parts.modelServer + parts.postgres };
}

function pssOf(pid: number): number {
  try {
    return Number(/^Pss: +(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))![1]) / 1024;
  } catch {
    return 0; // ended meanwhile
  }
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

const folder = mkdtempSync(join(tmpdir(), 'touchstone-bench-'));
const fresh: Start[] = [];
const again: Start[] = [];
try {
  for (let round = 0; round < rounds; round++) {
    const dataDir = join(folder, String(round));
    fresh.push(await start(dataDir));
    again.push(await start(dataDir));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const seconds = (starts: readonly Start[]) => ({
  median: Number((median(starts.map(({ firstSearchMs }) => firstSearchMs)) / 1000).toFixed(2)),
  all: starts.map(({ firstSearchMs }) => Number((firstSearchMs / 1000).toFixed(2))),
});
const result = {
  date: new Date().toISOString().slice(0, 10),
  command: 'npm run bench:platform --workspace bench',
  machine: { cores: availableParallelism(), memoryGB: Math.round(totalmem() / 1e9), node: process.version, loadAtEnd: loadavg()[0] },
  firstSearchSeconds: { newDataFolder: seconds(fresh), startedBefore: seconds(again) },
  idleMegabytes: again.at(-1)!.idleMegabytes,
};
const results = fileURLToPath(new URL('../results/', import.meta.url));
mkdirSync(results, { recursive: true });
writeFileSync(join(results, 'platform.json'), `${JSON.stringify(result, undefined, 2)}\n`);
console.info(JSON.stringify(result, undefined, 2));
