// What the service adds to the encoder's own call: `POST /v1/visual/compress` against `VisionEncoder.encode` on the same model
// server, interleaved, one caller, each picture new; then the same pictures again, whose tokens are there.
// npm run bench:compression-service -w bench [-- <pictures>]
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connectModels } from '@touchstone/models';
import { seededRandom } from '@touchstone/runtime/random';
import { pulledModels, startTestPlatform } from '@touchstone/testing';
import sharp from 'sharp';

const count = Number(process.argv[2] ?? 40);
const batch = 8;
const kept = 28;
const restSeconds = 8;
const random = seededRandom(1);

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'bench-compression-'));
const url = `unix:${join(folder, 'models')}`;
const repository = await pulledModels();
const server: ChildProcess = fork(join(root, 'apps/model-server/src/main.ts'), ['--model-repository', repository, '--listen', url], {
  silent: true,
  execArgv: ['--conditions=@touchstone/source', '--import', join(root, 'source.mjs')],
});
const models = connectModels({ url, repository });
const platform = await startTestPlatform({ mode: 'one-process', dataDir: folder, environment: { TOUCHSTONE_MODELS_URL: url } });
await platform.ready();
const key = readFileSync(join(folder, 'admin-key'), 'utf8').trim();

/** Noise that nobody has seen, so that nothing is cached: a JPEG of 640 × 480 with large forms, some 60 KB. */
async function newPicture(): Promise<Buffer> {
  const pixels = Uint8Array.from({ length: 32 * 24 * 3 }, () => random() * 256);
  return sharp(pixels, { raw: { width: 32, height: 24, channels: 3 } }).resize(640, 480, { kernel: 'cubic' }).jpeg({ quality: 90 }).toBuffer();
}

async function post(path: string, body: object): Promise<void> {
  const answer = await fetch(`${platform.url}/v1/visual/${path}`, { method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
}

const outputs = ['scores', 'allTokens', 'variation', 'classAttention', 'attentionKeys'] as const;
const encode = (pictures: Buffer[]) => models.encoder!.encode(pictures, { kept, outputs });
const compress = (picture: Buffer, tokens = kept) => post('compress', { picture: { base64: picture.toString('base64') }, budget: { tokens } });
const compressBatch = (pictures: Buffer[]) => post('compress:batch', { pictures: pictures.map((picture) => ({ base64: picture.toString('base64') })), budget: { tokens: kept } });

async function timed(into: number[], work: () => Promise<unknown>): Promise<void> {
  const started = performance.now();
  await work();
  into.push(performance.now() - started);
}

/** Milliseconds of CPU that the platform's process and PostgreSQL have used: neither the model server nor what decodes pictures. */
function platformCpuMs(): number {
  const all = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/ +/))
    .map(([pid, parent, ...words]) => ({ pid: Number(pid), parent: Number(parent), command: words.join(' ') }));
  const postmaster = all.find(({ command }) => command.includes('bin/postgres') && command.includes(folder))!.pid;
  const pids = [platform.processes[0].pid, postmaster, ...all.filter(({ parent }) => parent === postmaster).map(({ pid }) => pid)];
  return pids.reduce((sum, pid) => {
    const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /, '').split(' ').slice(11, 13);
    return sum + (Number(user) + Number(system)) * 10;
  }, 0);
}

/** CPU of one call in milliseconds, which the machine's other work does not lengthen as it does the call. @param restMs that is used in a second without calls. */
async function cpuOf(used: () => number, work: () => Promise<unknown>, restMs = 0): Promise<number> {
  const [before, started] = [used(), performance.now()];
  for (let call = 0; call < count; call++) await work();
  return rounded((used() - before - (restMs * (performance.now() - started)) / 1_000) / count);
}

const rounded = (value: number) => Math.round(value * 10) / 10;
const ms: Record<'encode' | 'compress' | 'cached' | 'otherBudget' | 'encodeBatch' | 'compressBatch', number[]> = { encode: [], compress: [], cached: [], otherBudget: [], encodeBatch: [], compressBatch: [] };
let cpuMs = {};
try {
  for (let warm = 0; warm < 5; warm++) await Promise.all([encode([await newPicture()]), compress(await newPicture())]);
  for (let round = 0; round < count; round++) {
    const [one, other] = [await newPicture(), await newPicture()];
    // In turn first, so that neither always finds the other's caches.
    const pair = [() => timed(ms.encode, () => encode([one])), () => timed(ms.compress, () => compress(other))];
    for (const work of round % 2 ? pair.toReversed() : pair) await work();
    await timed(ms.cached, () => compress(other));
    await timed(ms.otherBudget, () => compress(other, 64));
  }
  for (let round = 0; round < Math.ceil(count / batch); round++) {
    const [some, others] = await Promise.all([0, 1].map(() => Promise.all(Array.from({ length: batch }, newPicture))));
    await timed(ms.encodeBatch, () => encode(some));
    await timed(ms.compressBatch, () => compressBatch(others));
  }
  const pictures = await Promise.all(Array.from({ length: 2 * count }, newPicture));
  const ownCpuMs = () => Object.values(process.cpuUsage()).reduce((sum, microseconds) => sum + microseconds / 1_000, 0);
  const encodeMs = await cpuOf(ownCpuMs, () => encode([pictures.shift()!]));
  const before = platformCpuMs();
  await delay(restSeconds * 1_000);
  const restMs = (platformCpuMs() - before) / restSeconds;
  const compressMs = await cpuOf(platformCpuMs, () => compress(pictures.shift()!), restMs);
  cpuMs = { rest: rounded(restMs), encode: encodeMs, compress: compressMs, added: rounded(compressMs - encodeMs) };
} finally {
  await platform.stop();
  await models.close();
  server.kill();
  await once(server, 'exit');
  rmSync(folder, { recursive: true, force: true });
}

const quantile = (values: readonly number[], q: number) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))];
const rows = Object.entries(ms).map(([name, values]) => ({ name, bestMs: rounded(Math.min(...values)), p50Ms: rounded(quantile(values, 0.5)), p90Ms: rounded(quantile(values, 0.9)), calls: values.length }));
/** By quantiles: 0, the best calls, is what a machine says that does other work too. */
const overheadMs = Object.fromEntries(
  [['best', 0], ['p50', 0.5]].map(([name, q]) => {
    const of = (calls: keyof typeof ms) => quantile(ms[calls], q as number);
    return [name, { aPicture: rounded(of('compress') - of('encode')), aPictureOfABatch: rounded((of('compressBatch') - of('encodeBatch')) / batch) }];
  }),
);
console.table(rows);
console.info(overheadMs, cpuMs);
mkdirSync(new URL('../results/', import.meta.url), { recursive: true });
writeFileSync(
  new URL('../results/compression-overhead.json', import.meta.url),
  `${JSON.stringify({ date: new Date().toISOString().slice(0, 10), command: 'npm run bench:compression-service -w bench', machine: { cores: availableParallelism(), load: loadavg().map(rounded), node: process.version }, batch, rows, overheadMs, cpuMs }, undefined, 2)}\n`,
);
