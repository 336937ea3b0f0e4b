/**
 * Follows docs/new-service.md to the letter in a copy of this workspace: lays its files, makes its edits, runs its commands,
 * compares the answers that it promises, and looks for the new service's row in PostgreSQL. Third parties' packages are
 * those of this workspace, so `npm install` only notes and links the new package.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { blocksOf, edited } from './page.ts';
import { differences } from './readme.ts';
import { Stranger } from './stranger.ts';

const name = 'diary';
const page = 'docs/new-service.md';
/** What follows from an event is there a moment later. */
const patienceMs = 20_000;

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'touchstone-new-service-'));
const stranger = await Stranger.in(folder);
try {
  copyWorkspace();
  const blocks = blocksOf(readFileSync(join(root, page), 'utf8'));
  let answers = 0;
  for (const [index, { language, title, text }] of blocks.entries()) {
    if (language === 'diff') change(title, (file) => edited(file, text));
    else if (title) {
      if (existsSync(join(folder, title))) throw new Error(`${page} makes ${title}, which is there already`);
      mkdirSync(dirname(join(folder, title)), { recursive: true });
      writeFileSync(join(folder, title), text);
    } else if (language === 'sh') {
      const next = blocks[index + 1];
      const isAnswered = next?.language === 'json' && next.title === '';
      process.stdout.write(`$ ${text}`);
      if (/\bnpm start\b/.test(text)) await stranger.start(text);
      else if (isAnswered) await answersWith(text, JSON.parse(next.text));
      else process.stdout.write(stranger.run(text.replaceAll('npm install', install())));
      answers += Number(isAnswered);
    }
  }
  if (answers === 0) throw new Error(`${page} promises no answer: expected a sh block followed by a json block.`);
  const { rows } = await query(`select day, text from ${name}.entry where tenant_id is not null`);
  if (rows.length !== 1) throw new Error(`PostgreSQL holds ${rows.length} entries, expected the one of the page`);
  process.stdout.write(`${answers} answers are those of ${page}, and its row is in PostgreSQL: ${JSON.stringify(rows[0])}\n`);
} finally {
  await stranger.leave();
  rmSync(folder, { recursive: true, force: true });
}

/** All files that git knows or would, and third parties' packages by links; our own are those of the copy. */
function copyWorkspace(): void {
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 });
  for (const file of files.split('\0').filter((each) => each && existsSync(join(root, each)))) cpSync(join(root, file), join(folder, file));
  if (existsSync(join(root, 'third_party'))) symlinkSync(join(root, 'third_party'), join(folder, 'third_party'));
  const modules = join(root, 'node_modules');
  mkdirSync(join(folder, 'node_modules'));
  for (const entry of readdirSync(modules)) if (entry !== '@touchstone') symlinkSync(join(modules, entry), join(folder, 'node_modules', entry));
  cpSync(join(modules, '@touchstone'), join(folder, 'node_modules/@touchstone'), { recursive: true, verbatimSymlinks: true });
}

/** What `npm install` does here: nothing that the lock file lacks may be needed. */
function install(): string {
  return `npm install --package-lock-only --offline --ignore-scripts --no-audit --no-fund && ln -s ../../services/${name} node_modules/@touchstone/${name}`;
}

function change(file: string, by: (text: string) => string): void {
  const path = join(folder, file);
  try {
    writeFileSync(path, by(readFileSync(path, 'utf8')));
  } catch (error) {
    throw new Error(`${page} changes ${file}: ${(error as Error).message}`, { cause: error });
  }
}

async function answersWith(commands: string, promised: unknown): Promise<void> {
  for (const givenUpAt = Date.now() + patienceMs; ; await delay(100)) {
    const found = differences(promised, JSON.parse(stranger.run(commands)));
    if (found.length === 0) return;
    if (Date.now() > givenUpAt) throw new Error(`${page} promises another answer:\n${[commands, ...found].join('\n  ')}`);
  }
}

/** Asks the embedded PostgreSQL as its owner. */
async function query(sql: string): Promise<pg.QueryResult> {
  const data = join(realpathSync(join(folder, '.touchstone/postgres')), 'data');
  const [, , , port, socket] = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
  const client = new pg.Client({ host: socket, port: Number(port), user: 'postgres', database: 'touchstone' });
  await client.connect();
  try {
    return await client.query(sql);
  } finally {
    await client.end();
  }
}
