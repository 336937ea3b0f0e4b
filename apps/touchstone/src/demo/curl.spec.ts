import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type IncomingMessage, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { contentOf, curlCommand, shellWord } from './curl.ts';

const run = promisify(execFile);
let received: { path?: string; headers: IncomingMessage['headers']; method?: string; body: string };
const server = createServer(async (request, response) => {
  received = { path: request.url, method: request.method, headers: request.headers, body: await text(request) };
  response.end('{"hits":[]}');
});
let folder: string;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "it's a $HOME-"));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/search`;
});

afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

const nasty = '{"query":{"text":"it\'s $HOME, `id` & \\"more\\"; $(id) \\\\ * é"}}';

it.each(['bash', 'sh'])('sends through %s exactly the body that is shown, whatever stands in it', async (shell) => {
  const key = join(folder, 'admin-key');
  await writeFile(key, 'ts_live_abc\n');

  const { stdout } = await run(shell, ['-c', curlCommand({ url, keyWords: contentOf(key), body: nasty })]);

  expect(stdout).toBe('{"hits":[]}');
  expect(received).toMatchObject({ method: 'POST', path: '/v1/search', body: nasty });
  expect(received.headers).toMatchObject({ authorization: 'Bearer ts_live_abc', 'content-type': 'application/json' });
});

it('sends a body that lies in a file, and a key that stands in a variable', async () => {
  const file = join(folder, 'body.json');
  await writeFile(file, nasty);

  await run('bash', ['-c', curlCommand({ url, keyWords: '$TOUCHSTONE_KEY', body: { file } })], { env: { ...process.env, TOUCHSTONE_KEY: 'ts_live_def' } });

  expect(received.body).toBe(nasty);
  expect(received.headers.authorization).toBe('Bearer ts_live_def');
});

it('is easy to read where nothing needs quoting', () => {
  const body = { file: '.touchstone/demo/search.json' };

  expect(curlCommand({ url: 'http://127.0.0.1:8080/v1/x', keyWords: contentOf('.touchstone/admin-key'), body })).toBe(
    [
      'curl -sS http://127.0.0.1:8080/v1/x \\',
      '  -H "Authorization: Bearer $(cat .touchstone/admin-key)" \\',
      "  -H 'Content-Type: application/json' \\",
      '  -d @.touchstone/demo/search.json',
    ].join('\n'),
  );
});

it.each([
  ['plain', 'plain'],
  ['', "''"],
  ['a b', "'a b'"],
  ["it's", String.raw`'it'\''s'`],
  ['~', "'~'"],
])('quotes %j as %s', (word, expected) => expect(shellWord(word)).toBe(expected));
