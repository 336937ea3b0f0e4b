/**
 * What a stranger does, by the letter of README.md: a fresh clone of HEAD, `npm ci && npm start`, the calls; each answer
 * must be the one that is printed there. Weights are taken from TOUCHSTONE_MODELS_DIR if that is set, else pulled.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { differences, steps } from './readme.ts';

const documentedAddress = '127.0.0.1:8080';
const readyWithinMs = 600_000;

const folder = mkdtempSync(join(tmpdir(), 'touchstone-clone-'));
const running: ChildProcess[] = [];
const port = await freePort();
// A stranger has neither this checkout's programs nor npm's settings for it.
const own = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
const path = process.env.PATH!.split(':').filter((entry) => !entry.includes('node_modules')).join(':');
const environment = { ...Object.fromEntries(own), PATH: path, TOUCHSTONE_PORT: String(port) };
try {
  execFileSync('git', ['clone', '--quiet', new URL('..', import.meta.url).pathname, folder], { stdio: 'inherit' });
  const promised = steps(readFileSync(join(folder, 'README.md'), 'utf8'));
  const answers = promised.filter(({ answer }) => answer !== undefined);
  if (answers.length === 0) throw new Error('README.md promises no answer: expected a sh block followed by a json block.');

  const wrong: string[] = [];
  for (const { commands, answer } of promised) {
    process.stdout.write(`$ ${commands}\n`);
    if (/\bnpm start\b/.test(commands)) {
      await start(commands);
      continue;
    }
    const printed = run(commands);
    if (answer === undefined) continue;
    const found = differences(answer, JSON.parse(printed));
    if (found.length > 0) wrong.push([commands, ...found].join('\n  '));
  }
  if (wrong.length > 0) throw new Error(`README.md promises other answers:\n${wrong.join('\n')}`);
  process.stdout.write(`${answers.length} answers are those of README.md\n`);
} finally {
  for (const child of running) await end(child);
  rmSync(folder, { recursive: true, force: true });
}

function run(commands: string): string {
  const text = commands.replaceAll(documentedAddress, `127.0.0.1:${port}`);
  return execFileSync('bash', ['-euo', 'pipefail', '-c', text], { cwd: folder, env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

/** In the background and in a process group of its own, until every part is ready. */
async function start(commands: string): Promise<void> {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', commands], { cwd: folder, env: environment, detached: true, stdio: ['ignore', 'inherit', 'inherit'] });
  running.push(child);
  const startedAt = Date.now();
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${commands}: ended with ${child.exitCode}`);
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    if (answer?.ok) break;
    if (Date.now() - startedAt > readyWithinMs) throw new Error(`${commands}: not ready after ${readyWithinMs / 1000} s: ${await answer?.text()}`);
    await delay(250);
  }
  process.stdout.write(`ready after ${Math.round((Date.now() - startedAt) / 1000)} s\n`);
}

/** Ends a process group, and waits until its last process is gone: the database among them still writes. */
async function end({ pid }: ChildProcess): Promise<void> {
  for (let signal: NodeJS.Signals | 0 = 'SIGTERM'; ; signal = 0) {
    try {
      process.kill(-pid!, signal);
    } catch {
      return;
    }
    await delay(100);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = server.address() as { port: number };
  server.close();
  return free;
}
