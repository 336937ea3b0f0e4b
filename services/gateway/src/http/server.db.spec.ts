import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { LocalChannel } from '@touchstone/contracts';
import { EchoService } from '@touchstone/contracts/gen/touchstone/echo/v1/echo_pb';
import { CallerTokens, CallerTokenVerifier, generateTokenKeys } from '@touchstone/runtime/tenant';
import { testDatabase } from '@touchstone/testing';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKey, type RunningGateway, start } from '../index.ts';
import { startEcho, watched } from '../rest/echo.spec-service.ts';

const bodyLimitBytes = 6 * 1024 * 1024;
const { privateKey, publicKey } = generateTokenKeys();
let gateway: RunningGateway;
let echo: Awaited<ReturnType<typeof startEcho>>;
let key: string;

beforeAll(async () => {
  const database = await testDatabase({ service: 'gateway' });
  echo = await startEcho({ verifier: new CallerTokenVerifier(publicKey) });
  const upstreams = [{ service: EchoService, channel: new LocalChannel(echo.server) }];
  gateway = await start({ host: '127.0.0.1', port: 0, upstreams, tokens: new CallerTokens(privateKey), database, bodyLimitBytes, requestTimeoutMs: 1_500 });
  ({ key } = await createKey(database, { tenantName: 'echo', name: 'tests', scopes: ['*'] }));
});

afterAll(async () => {
  await gateway?.stop();
  await echo?.stop();
});

/** A bare connection, and all that comes back until the server ends it. */
function dial(): { socket: Socket; ended: Promise<string>; answered: Promise<string> } {
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  let text = '';
  socket.on('data', (data) => (text += data.toString('latin1'))).on('error', () => undefined);
  return { socket, ended: once(socket, 'close').then(() => text), answered: once(socket, 'data').then(() => text) };
}

const head = (line: string, ...headers: string[]) => [line, 'Host: x', ...headers, '', ''].join('\r\n');
const bearer = () => `Authorization: Bearer ${key}`;

describe('limits of a request', () => {
  it('refuses 100 MB by its length, before a byte of it came', async () => {
    const { socket, ended } = dial();
    socket.write(head('POST /v1/echoes HTTP/1.1', bearer(), 'Content-Type: application/json', 'Content-Length: 104857600'));
    expect(await ended).toMatch(/^HTTP\/1\.1 413 [^]*\r\nconnection: close\r\n[^]*"type":"\/problems\/body-too-large"/i);
  });

  it('refuses a body without a length once it is too long', async () => {
    const { socket, answered, ended } = dial();
    socket.write(head('POST /v1/echoes HTTP/1.1', bearer(), 'Content-Type: application/json', 'Transfer-Encoding: chunked'));
    const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
    let sent = 0;
    let isAnswered = false;
    void answered.then(() => (isAnswered = true));
    while (!isAnswered && sent < 100 * 1024 * 1024) {
      socket.write(chunk);
      sent += 0x10000;
      await new Promise(setImmediate);
    }
    expect(await ended).toMatch(/^HTTP\/1\.1 413 /);
    expect(sent).toBeLessThan(50 * 1024 * 1024);
  });

  it('takes a body of exactly the limit, and none of a byte more', async () => {
    const note = (size: number) => `{"id":"a"}${' '.repeat(size - 10)}`;
    const post = (body: string) =>
      request(gateway.url).post('/v1/echoes').set('Authorization', `Bearer ${key}`).set('Content-Type', 'application/json').send(body);
    await post(note(bodyLimitBytes)).expect(201);
    await post(note(bodyLimitBytes + 1)).expect(413).expect('Content-Type', 'application/problem+json');
  });

  it('answers a client without a key that sends its body all the same, and closes: the connection is not reset', async () => {
    const resets: Error[] = [];
    for (let call = 0; call < 5; call++) {
      const { socket, ended } = dial();
      socket.on('error', (error) => resets.push(error));
      socket.write(head('POST /v1/echoes HTTP/1.1', 'Content-Type: application/json', 'Connection: close', 'Content-Length: 5000000'));
      socket.write(' '.repeat(5_000_000));
      expect(await ended).toMatch(/^HTTP\/1\.1 401 [^]*"type":"\/problems\/unauthenticated"/);
    }
    expect(resets).toEqual([]);
  });

  it('asks for the key before it reads the body', async () => {
    const { socket, answered } = dial();
    socket.write(head('POST /v1/echoes HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 1000'));
    expect(await answered).toMatch(/^HTTP\/1\.1 401 [^]*www-authenticate: Bearer/i);
    socket.destroy();
  });

  it.each([
    ['headers that never end', () => 'GET /v1/echoes/a HTTP/1.1\r\nHost: x\r\nX-Slow: '],
    ['a body that never ends', () => `${head('POST /v1/echoes HTTP/1.1', bearer(), 'Content-Type: application/json', 'Content-Length: 1000')}{"id"`],
  ])('gives up on %s', async (_, bytes) => {
    const { socket, ended } = dial();
    socket.write(bytes());
    expect(await ended).toMatch(/^HTTP\/1\.1 408 [^]*application\/problem\+json/);
  });

  it.each([
    ['headers of 32 KB', 431, `GET / HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(32 * 1024)}\r\n\r\n`],
    ['what is not HTTP', 400, 'this is not HTTP\r\n\r\n'],
    ['two lengths', 400, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['a length and chunks', 400, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ])('answers %s with a problem and ends the connection', async (_, status, bytes) => {
    const { socket, ended } = dial();
    socket.write(bytes);
    const text = await ended;
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(text).toContain('application/problem+json');
  });
});

describe('public routes', () => {
  const api = () => request(gateway.url);

  it('shows the docs without a key and without inline scripts', async () => {
    await api().get('/').expect(302).expect('Location', '/docs');
    const page = await api().get('/docs').expect(200).expect('Content-Type', /text\/html/);
    expect(page.headers['content-security-policy']).toMatch(/script-src 'self';/);
    const sources = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source);
    expect(sources).toHaveLength(4);
    expect(page.text.match(/<script>/)).toBeNull();
    for (const source of sources) await api().get(source).expect(200);
    await api().get('/docs/..%2fpackage.json').expect(404);
    await api().get('/docs/package.json').expect(404).expect('Content-Type', 'application/problem+json');
  });

  it('describes itself', async () => {
    const { body } = await api().get('/openapi.json').expect(200);
    expect(body).toMatchObject({ openapi: '3.1.0' });
  });

  it('says that it lives and which part is ready', async () => {
    await api().get('/livez').expect(200, { status: 'live' });
    await api().get('/readyz').expect(200, { status: 'ready', parts: [{ part: 'gateway database', isReady: true }] });
  });
});

describe('without its database', () => {
  it('lives, is not ready, and says when to try again', async () => {
    const nowhere = 'postgresql://gateway@127.0.0.1:1/none';
    const upstreams = [{ service: EchoService, channel: new LocalChannel(echo.server) }];
    const lost = await start({ host: '127.0.0.1', port: 0, upstreams, tokens: new CallerTokens(privateKey), database: { url: nowhere, systemUrl: nowhere } });
    try {
      const answer = await request(lost.url).get('/v1/echoes/a').set('Authorization', `Bearer ${key}`).expect(503).expect('Retry-After', '2');
      expect(answer.body).toMatchObject({ type: '/problems/unavailable', detail: 'The database does not answer.' });
      await request(lost.url).get('/livez').expect(200);
      const { body } = await request(lost.url).get('/readyz').expect(503);
      expect(body).toMatchObject({ status: 'not-ready', parts: [{ part: 'gateway database', isReady: false, detail: expect.stringContaining('PostgreSQL') }] });
      await request(lost.url).get('/v1/anything').expect(404);
    } finally {
      await lost.stop();
    }
  });
});

it('is not live, and says which part it is, when only a restart helps', async () => {
  const nowhere = 'postgresql://gateway@127.0.0.1:1/none';
  const stuck = { part: 'events', isReady: false, isLive: false, detail: 'nothing moves' };
  const ill = await start({ host: '127.0.0.1', port: 0, upstreams: [], tokens: new CallerTokens(privateKey), database: { url: nowhere, systemUrl: nowhere }, readiness: async () => [stuck] });
  try {
    await request(ill.url).get('/livez').expect(503, { status: 'not-live', parts: [stuck] });
  } finally {
    await ill.stop();
  }
});

describe('starting and stopping', () => {
  it('fails in words when the port is taken', async () => {
    const nowhere = 'postgresql://gateway@127.0.0.1:1/none';
    const port = Number(new URL(gateway.url).port);
    const again = start({ host: '127.0.0.1', port, upstreams: [], tokens: new CallerTokens(privateKey), database: { url: nowhere, systemUrl: nowhere } });
    await expect(again).rejects.toThrow(/EADDRINUSE/);
  });

  it('ends event streams and lets a call in flight finish', async () => {
    const database = await testDatabase({ service: 'gateway' });
    const upstreams = [{ service: EchoService, channel: new LocalChannel(echo.server) }];
    const other = await start({ host: '127.0.0.1', port: 0, upstreams, tokens: new CallerTokens(privateKey), database });
    const { key: ownKey } = await createKey(database, { tenantName: 'x', name: 'x', scopes: ['*'] });
    const ended = new Promise<void>((resolve) => (watched.onEnd = resolve));
    const answer = await fetch(`${other.url}/v1/echoes/large:watch?events=1000000`, { headers: { authorization: `Bearer ${ownKey}` } });
    expect(answer.status).toBe(200);
    const body = answer.text().catch(() => 'cut');
    await other.stop();
    await ended;
    await body;
    await expect(fetch(`${other.url}/livez`)).rejects.toThrow();
  });
});
