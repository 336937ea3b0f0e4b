import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = new URL('..', import.meta.url).pathname;

/** [the rule, where it is broken, the line that breaks it, what oxlint says about it, where the same line is allowed] */
const rules: readonly [string, string, string, RegExp, string?][] = [
  ['a service imports no other service', 'services/gateway/src/rest/a.ts', "import '@touchstone/retrieval';", /Services and libs import only libs/, 'apps/touchstone/src/a.ts'],
  ['a service that is new is closed too', 'services/judging/src/start.ts', "import '@touchstone/translation';", /call another service by its contract/],
  ['a type is an import too', 'services/retrieval/src/a.ts', "import type { A } from '@touchstone/gateway'; export type B = A;", /Services and libs import only libs/],
  ['a lib imports no service', 'libs/models/src/b.ts', "import '@touchstone/retrieval';", /Services and libs import only libs/],
  ['a lib imports no app', 'libs/testing/src/a.ts', "import '@touchstone/model-server';", /Services and libs import only libs/],
  ['an example imports no service', 'examples/a/b.ts', "import '@touchstone/compression';", /An example is a client/, 'e2e/a.ts'],
  ['one package runs ONNX', 'libs/models/src/c.ts', "import 'onnxruntime-node';", /Only apps\/model-server/, 'apps/model-server/src/a.ts'],
  ['one file talks to Kafka', 'libs/messaging/src/relay/b.ts', "import 'kafkajs';", /Only .*kafka-client\.ts/, 'libs/messaging/src/kafka/kafka-client.ts'],
  ['one package decodes pictures', 'services/retrieval/src/item/d.service.ts', "import 'sharp';", /Only libs\/models/, 'libs/models/src/a.ts'],
  ['there are no path aliases', 'services/gateway/src/b.ts', "import '@/rest/route.ts';", /no path aliases/],
  ['nor subpath imports', 'libs/runtime/src/b.ts', "import '#config';", /no path aliases/],
  ['another package is imported by its name', 'services/gateway/src/c.ts', "import '../../../libs/models/src/index.ts';", /by its name/, 'bench/a.ts'],
  ['a package has one door', 'apps/touchstone/src/b.ts', "import '@touchstone/models/src/manifest.ts';", /one index\.ts/],
  ['an algorithm knows no framework', 'services/judging/src/tournament/standings.ts', "import '@nestjs/common';", /is pure/, 'services/judging/src/tournament/tournaments.service.ts'],
  ['an algorithm reads no file', 'libs/statistics/src/bootstrap.ts', "import 'node:fs';", /is pure/],
  ['an algorithm has no luck of its own', 'services/judging/src/rubric/a.ts', 'export const luck = Math.random();', /Randomness is an argument/],
  ['an algorithm has no clock of its own', 'services/judging/src/rubric/b.ts', 'export const now = Date.now();', /Time is an argument/],
];

let tree: string;
let said: Map<string, string>;

beforeAll(async () => {
  tree = await mkdtemp(join(tmpdir(), 'touchstone-boundaries-'));
  await cp(join(root, 'oxlint.config.ts'), join(tree, 'oxlint.config.ts'));
  await symlink(join(root, 'node_modules'), join(tree, 'node_modules'));
  for (const [, broken, line, , allowed] of rules) {
    for (const file of [broken, allowed].filter((name) => name !== undefined)) await write(file, line);
  }
  const libraries = await readdir(join(root, 'libs'));
  for (const name of libraries) await write(`libs/${name}/src/index.ts`, 'export {};');
  const imported = libraries.map((name) => `import '@touchstone/${name}${name === 'runtime' ? '/config' : ''}';`);
  await write('services/gateway/src/libraries.ts', imported.join('\n'));
  said = await lint(tree);
});
afterAll(() => rm(tree, { recursive: true, force: true }));

describe('boundaries', () => {
  it.each(rules)('%s: %s', (_, broken, __, expected) => expect(said.get(broken)).toMatch(expected));

  it.each(rules.flatMap(([rule, , , , allowed]) => (allowed ? [[rule, allowed]] : [])))('%s, and may be broken in %s', (_, allowed) =>
    expect(said.get(allowed)).toBeUndefined());

  it('every lib is open to a service', () => expect(said.get('services/gateway/src/libraries.ts')).toBeUndefined());
});

async function write(file: string, text: string): Promise<void> {
  await mkdir(dirname(join(tree, file)), { recursive: true });
  await writeFile(join(tree, file), `${text}\n`);
}

/** @returns what oxlint says about each file that it finds fault with. */
async function lint(folder: string): Promise<Map<string, string>> {
  const oxlint = join(root, 'node_modules/oxlint/bin/oxlint');
  const folders = [...new Set(rules.map(([, broken]) => broken.split('/')[0])), 'bench'];
  const output = await new Promise<string>((resolve) =>
    execFile(process.execPath, [oxlint, '--format', 'json', ...folders], { cwd: folder }, (_, stdout, stderr) => resolve(stdout || stderr)));
  const { diagnostics } = JSON.parse(output) as { diagnostics: { filename: string; message: string; help?: string }[] };
  const byFile = Map.groupBy(diagnostics, ({ filename }) => filename);
  return new Map([...byFile].map(([file, found]) => [file, found.map(({ message, help }) => `${message} ${help ?? ''}`).join('\n')]));
}
