// Text embedding through model-server, 16 callers with one text each, against ONNX Runtime called directly.
import { connectModels, TextTokenizer, type Models } from '@touchstone/models';
import { fork, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const root = fileURLToPath(new URL('../../', import.meta.url));
const repository = join(process.env.TOUCHSTONE_MODELS_DIR ?? join(root, '.touchstone/models'), 'laptop');
const inFlight = 16;
const rounds = 15;
const textsARound = 128;
const threads = 1;

/** Items a second, and CPU of all processes that took part. */
interface Rate {
  perSecond: number;
  cpuMsPerText: number;
}

const words = 'river train morning blue teacher market small engine window letter happy mountain paper quiet garden'.split(' ');
const sentence = (length: number, seed: number): string =>
  Array.from({ length }, (_, position) => words[(seed * 7 + position * 5) % words.length]).join(' ');
const workloads = {
  '14 words each': Array.from({ length: textsARound }, (_, row) => sentence(14, row)),
  '4 to 60 words': Array.from({ length: textsARound }, (_, row) => sentence(4 + ((row * 37) % 57), row)),
};

/** The peer: batches in the given order, each padded to its longest text; tokenising is in its time too. */
async function direct(session: InferenceSession, tokenizer: TextTokenizer, texts: readonly string[], batch: number): Promise<void> {
  for (let start = 0; start < texts.length; start += batch) {
    const ids = texts.slice(start, start + batch).map((text) => tokenizer.encode(text));
    const shape = [ids.length, Math.max(...ids.map(({ length }) => length))];
    const tokens = new BigInt64Array(shape[0] * shape[1]);
    const mask = new BigInt64Array(shape[0] * shape[1]);
    ids.forEach((row, position) => {
      tokens.set(row.map(BigInt), position * shape[1]);
      mask.fill(1n, position * shape[1], position * shape[1] + row.length);
    });
    await session.run({ input_ids: new Tensor('int64', tokens, shape), attention_mask: new Tensor('int64', mask, shape) });
  }
}

async function served(models: Models, texts: readonly string[]): Promise<void> {
  let next = 0;
  const caller = async () => {
    while (next < texts.length) await models.text.embed([texts[next++]]);
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
}

/** CPU of another process so far; 0 where there is no /proc. */
function cpuMsOf({ pid }: ChildProcess): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10; // user and system time in ticks of 10 ms
  } catch {
    return 0;
  }
}

async function measure(server: ChildProcess, count: number, work: () => Promise<void>): Promise<Rate> {
  const [own, others, started] = [process.cpuUsage(), cpuMsOf(server), performance.now()];
  await work();
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(own);
  return { perSecond: count / seconds, cpuMsPerText: ((user + system) / 1000 + cpuMsOf(server) - others) / count };
}

async function compare(texts: readonly string[], server: ChildProcess, models: Models, session: InferenceSession, tokenizer: TextTokenizer) {
  const paths = {
    served: () => served(models, texts),
    direct16: () => direct(session, tokenizer, texts, inFlight),
    direct1: () => direct(session, tokenizer, texts, 1),
  };
  const rates = { served: [] as Rate[], direct16: [] as Rate[], direct1: [] as Rate[] };
  const names = ['served', 'direct16', 'direct1'] as const;
  for (const name of names) await paths[name]();
  // Interleaved, so that a slow minute of the machine hits all alike.
  for (let round = 0; round < rounds; round++) {
    for (const name of names) rates[name].push(await measure(server, texts.length, paths[name]));
  }
  const perSecond = (name: keyof typeof rates) => median(rates[name].map((rate) => rate.perSecond));
  const cpu = (name: keyof typeof rates) => Math.min(...rates[name].map((rate) => rate.cpuMsPerText));
  const ratioTo = (peer: 'direct16' | 'direct1') => median(rates.served.map((rate, round) => rate.perSecond / rates[peer][round].perSecond));
  const peer = rates.direct16.map((rate) => rate.perSecond);
  return {
    servedPerSecond: perSecond('served'),
    direct16PerSecond: perSecond('direct16'),
    direct1PerSecond: perSecond('direct1'),
    ratioToDirect16: ratioTo('direct16'),
    ratioToDirect1: ratioTo('direct1'),
    servedCpuMs: cpu('served'),
    direct16CpuMs: cpu('direct16'),
    cpuRatio: cpu('direct16') / cpu('served'),
    /** Fastest by slowest round of the peer: how much the machine itself varied. */
    noise: Math.max(...peer) / Math.min(...peer),
  };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const rounded = (values: Record<string, number>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value.toPrecision(3))]));

const folder = mkdtempSync(join(tmpdir(), 'bench-embedding-'));
const url = `unix:${folder}/socket`;
const main = join(root, 'apps/model-server/src/main.ts');
const server = fork(main, ['--model-repository', repository, '--listen', url, '--threads', String(threads)], { silent: true });
const models = connectModels({ url, repository });
try {
  while ((await models.ready())[0].isReady === false) await delay(100);
  const session = await InferenceSession.create(join(repository, 'embed-text/1/model.onnx'), {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
  const tokenizer = await TextTokenizer.open(join(repository, 'embed-text/tokenizer.json'), 256);

  const results: Record<string, Record<string, number>> = {};
  for (const [name, texts] of Object.entries(workloads)) {
    results[name] = rounded(await compare(texts, server, models, session, tokenizer));
    const { servedPerSecond, direct16PerSecond, direct1PerSecond, ratioToDirect16, ratioToDirect1, cpuRatio, noise } = results[name];
    console.log(`${name}: ${servedPerSecond} texts/s served, ${direct16PerSecond} direct in batches of 16, ${direct1PerSecond} direct one by one`);
    console.log(`  ratio ${ratioToDirect16} to batches of 16 (by CPU ${cpuRatio}), ${ratioToDirect1} to one by one; noise of the machine ${noise}`);
  }

  const { version } = JSON.parse(readFileSync(join(root, 'node_modules/onnxruntime-node/package.json'), 'utf8'));
  const record = {
    date: new Date().toISOString().slice(0, 10),
    command: 'npm run bench:embedding -w bench',
    peer: `onnxruntime-node ${version}: same graph, same threads, tokenising included`,
    machine: { cores: availableParallelism(), memoryGiB: Math.round(totalmem() / 2 ** 30), loadAverage: loadavg()[0] },
    inFlight,
    rounds,
    textsARound,
    threads,
    results,
  };
  mkdirSync(join(root, 'bench/results'), { recursive: true });
  writeFileSync(join(root, 'bench/results/embedding.json'), `${JSON.stringify(record, null, 2)}\n`);
} finally {
  await models.close();
  server.kill();
  rmSync(folder, { recursive: true, force: true });
}
