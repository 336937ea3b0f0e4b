import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { RestClient } from './rest-client.ts';

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body: object;
}

const notReady = { title: 'Model not ready', detail: 'embed-text is being pulled.' };
let answers: Answer[];
let bodies: string[];
let url: string;
const server = createServer(async (request, response) => {
  bodies.push(await text(request));
  const { status, headers, body } = answers.shift()!;
  response.writeHead(status, headers).end(JSON.stringify(body));
});

beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  bodies = [];
});
afterAll(() => void server.close());

function client() {
  const waits: number[] = [];
  const words: string[] = [];
  const wait = async (ms: number) => void waits.push(ms);
  return { client: new RestClient({ url, key: 'k', wait, onWaiting: (what) => words.push(what) }), waits, words };
}

it('waits as Retry-After says, says what for, and sends the same again', async () => {
  answers = [
    { status: 503, headers: { 'retry-after': '5' }, body: notReady },
    { status: 429, headers: { 'retry-after': '2' }, body: {} },
    { status: 200, body: { upserted: 1 } },
  ];
  const { client: it, waits, words } = client();

  expect(await it.send('POST', '/v1/x', { a: 1 })).toEqual({ upserted: 1 });

  expect(waits).toEqual([5_000, 2_000]);
  expect(words[0]).toBe('Model not ready. embed-text is being pulled.; asking again in 5 s');
  expect(bodies).toEqual(Array(3).fill('{"a":1}'));
});

it('gives up after ten minutes of being told to wait, also when told to wait no time at all', async () => {
  answers = Array.from({ length: 601 }, () => ({ status: 503, headers: { 'retry-after': '0' }, body: notReady }));
  const { client: it, waits } = client();

  await expect(it.send('POST', '/v1/x', {})).rejects.toThrow('503: Model not ready');
  expect(waits).toHaveLength(600);
});

it('does not repeat what was refused for good, and passes on where it is wrong', async () => {
  const violations = [{ pointer: '/items/3/id', detail: 'does not match' }];
  answers = [{ status: 400, headers: { 'retry-after': '1' }, body: { title: 'Invalid', detail: 'One rule is broken.', violations } }];

  await expect(client().client.send('POST', '/v1/x', {})).rejects.toThrow('POST /v1/x was answered with 400: Invalid. One rule is broken.\n  /items/3/id does not match');
  expect(bodies).toHaveLength(1);
});

it('asks for the right key when this one is refused', async () => {
  answers = [{ status: 401, body: { title: 'Unauthenticated', detail: 'No such key.' } }];

  await expect(client().client.send('PUT', '/v1/x', {})).rejects.toThrow('No such key. Is the key in TOUCHSTONE_KEY');
});

it('reads readiness from 200 and from 503', async () => {
  const parts = [{ part: 'model embed-text', isReady: false, detail: '40 %' }];
  answers = [{ status: 503, body: { status: 'not-ready', parts } }, { status: 200, body: { status: 'ready', parts: [] } }];

  expect(await client().client.readiness()).toEqual({ isReady: false, parts });
  expect(await client().client.readiness()).toEqual({ isReady: true, parts: [] });
});

it('says in words that no platform runs', async () => {
  const nobody = new RestClient({ url: 'http://127.0.0.1:1', key: 'k' });

  await expect(nobody.readiness()).rejects.toThrow(/No platform answers at http:\/\/127\.0\.0\.1:1 .*npm start/);
});
