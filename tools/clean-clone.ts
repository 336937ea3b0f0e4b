/**
 * What a stranger does, by the letter of README.md, docs/find-similar.md and docs/compress-pictures.md: a fresh clone of HEAD, `npm ci && npm start`, the
 * calls; each answer must be the one that is printed there. Weights are taken from TOUCHSTONE_MODELS_DIR if that is set, else
 * pulled.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { differences, steps } from './readme.ts';
import { Stranger } from './stranger.ts';

const folder = mkdtempSync(join(tmpdir(), 'touchstone-clone-'));
const stranger = await Stranger.in(folder);
try {
  execFileSync('git', ['clone', '--quiet', new URL('..', import.meta.url).pathname, folder], { stdio: 'inherit' });
  await follow('README.md');
  await follow('docs/find-similar.md');
  await follow('docs/compress-pictures.md');
} finally {
  await stranger.leave();
  rmSync(folder, { recursive: true, force: true });
}

async function follow(page: string): Promise<void> {
  const promised = steps(readFileSync(join(folder, page), 'utf8'));
  const answers = promised.filter(({ answer }) => answer !== undefined);
  if (answers.length === 0) throw new Error(`${page} promises no answer: expected a sh block followed by a json block.`);

  const wrong: string[] = [];
  for (const { commands, answer } of promised) {
    process.stdout.write(`$ ${commands}\n`);
    if (/\bnpm start\b/.test(commands)) {
      await stranger.start(commands);
      continue;
    }
    const printed = stranger.run(commands);
    if (answer === undefined) continue;
    const found = differences(answer, JSON.parse(printed));
    if (found.length > 0) wrong.push([commands, ...found].join('\n  '));
  }
  if (wrong.length > 0) throw new Error(`${page} promises other answers:\n${wrong.join('\n')}`);
  process.stdout.write(`${answers.length} answers are those of ${page}\n`);
}
