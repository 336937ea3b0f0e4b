import { setImmediate as turn } from 'node:timers/promises';
import { type ContractServer, GrpcChannel, LocalChannel } from '@touchstone/contracts';
import { EchoService } from '@touchstone/contracts/gen/touchstone/echo/v1/echo_pb';
import { CallerTokens, CallerTokenVerifier, generateTokenKeys } from '@touchstone/runtime/tenant';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKey, type RunningGateway, start } from '../index.ts';
import { startEcho, watched } from './echo.spec-service.ts';

const transports = [
  { name: 'in process', listen: undefined, channelTo: (server: ContractServer) => new LocalChannel(server) },
  { name: 'over gRPC', listen: '127.0.0.1:0', channelTo: (server: ContractServer) => new GrpcChannel(`127.0.0.1:${server.port}`) },
];

describe.each(transports)('$name', ({ listen, channelTo }) => {
  let gateway: RunningGateway;
  let stopEcho: () => Promise<void>;
  let key: string;
  let now = Date.now;
  let keys: TestDatabase;

  beforeAll(async () => {
    const database = (keys = await testDatabase({ service: 'gateway' }));
    const { privateKey, publicKey } = generateTokenKeys();
    const { server, stop } = await startEcho({ verifier: new CallerTokenVerifier(publicKey), listen });
    const channel = channelTo(server);
    stopEcho = async () => {
      channel.close();
      await stop();
    };
    gateway = await start({ host: '127.0.0.1', port: 0, upstreams: [{ service: EchoService, channel }], tokens: new CallerTokens(privateKey, () => now()), database, openApi: {} });
    ({ key } = await createKey(database, { tenantName: 'echo', name: 'tests', scopes: ['echo:read', 'echo:write'] }));
  });

  afterAll(async () => {
    await gateway?.stop();
    await stopEcho?.();
  });

  const api = () => request(gateway.url);
  const get = (path: string) => api().get(path).set('Authorization', `Bearer ${key}`);
  const post = (path: string, body: string | object) =>
    api().post(path).set('Authorization', `Bearer ${key}`).set('Content-Type', 'application/json').send(body);

  it('a token that the service does not take is the platform’s fault, not the caller’s', async () => {
    now = () => Date.now() - 600_000;
    const { key: unseen } = await createKey(keys, { tenantName: 'late', name: 'tests', scopes: ['echo:read'] });
    const answer = await api().get('/v1/echoes/n-1').set('Authorization', `Bearer ${unseen}`).expect(503);
    now = Date.now;
    expect(answer.headers['retry-after']).toBe('30');
    expect(answer.body).toMatchObject({ type: '/problems/unavailable', detail: expect.stringContaining('do not agree about the time') });
  });

  describe('a contract without a line in the gateway', () => {
    it('takes a body and answers with every field and the status of the contract', async () => {
      const note = { id: 'a', text: 'grüße 🎈', numbers: [1, 0.5, -3e300], attributes: { deep: [null, { a: null }], '': false }, notes: [{ id: 'b' }] };
      const answer = await post('/v1/echoes', note).expect(201).expect('Content-Type', 'application/json; charset=utf-8');
      expect(answer.body).toEqual({ ...note, count: 0, notes: [{ id: 'b', text: '', numbers: [], notes: [], count: 0 }] });
    });

    it('tells absent from zero', async () => {
      expect((await post('/v1/echoes', { id: 'a' })).body).not.toHaveProperty('reward');
      expect((await post('/v1/echoes', { id: 'a', reward: 0 })).body).toHaveProperty('reward', 0);
    });

    it('takes path and query, repeated ones too', async () => {
      const answer = await get('/v1/echoes/n-1?text=a%20b&numbers=1&numbers=2.5').expect(200);
      expect(answer.body).toMatchObject({ id: 'n-1', text: 'a b', numbers: [1, 2.5] });
    });

    it('ignores the body of a GET', async () => {
      await get('/v1/echoes/n-1').set('Content-Type', 'application/json').send('{"text":').expect(200);
    });

    it('takes a path variable within the body field', async () => {
      expect((await post('/v1/echoes/n-1:count', { count: 4 }).expect(200)).body).toMatchObject({ id: 'n-1', count: 5 });
    });

    it('sends bytes that a contract answers as a file, whatever their type', async () => {
      const answer = await get('/v1/echoes/a/file?text=%3Cscript%3E%C3%BC').buffer(true).expect(200);
      expect(answer.text).toBe('<script>ü');
      expect(answer.headers).toMatchObject({ 'content-type': 'text/html', 'content-length': '10', 'content-disposition': 'attachment', 'x-content-type-options': 'nosniff' });
      const head = await api().head('/v1/echoes/a/file?text=abc').set('Authorization', `Bearer ${key}`).expect(200);
      expect(head.headers).toMatchObject({ 'content-type': 'text/html', 'content-length': '3' });
    });

    it('shows a problem in place of bytes', async () => {
      const answer = await get('/v1/echoes/a/file').expect(404).expect('Content-Type', /problem\+json/);
      expect(answer.body).toMatchObject({ type: '/problems/image-not-found', violations: [{ parameter: 'text', detail: 'is empty' }] });
    });

    it('answers HEAD like GET without the body', async () => {
      const answer = await api().head('/v1/echoes/n-1').set('Authorization', `Bearer ${key}`).expect(200);
      expect(answer.text).toBeUndefined();
    });
  });

  describe('bad input has a 400 that says where', () => {
    it.each<[string, string | object, object]>([
      ['an unknown field', { id: 'a', txt: 1 }, { pointer: '/txt', detail: '"txt" is not known here' }],
      ['an unknown field deep within', { id: 'a', notes: [{ id: 'b' }, { 'x/~y': 1 }] }, { pointer: '/notes/1/x~1~0y' }],
      ['a snake_case alias', { id: 'a', is_x: 1 }, { pointer: '/is_x' }],
      ['a wrong type', { id: 7 }, { pointer: '/id', detail: 'expected a string, got a number' }],
      ['a number in a string', { id: 'a', count: '5' }, { pointer: '/count' }],
      ['a fraction for an integer', { id: 'a', count: 1.5 }, { pointer: '/count' }],
      ['an integer beyond 32 bits', { id: 'a', count: 2 ** 31 }, { pointer: '/count' }],
      ['null for a field', { id: 'a', reward: null }, { pointer: '/reward', detail: 'expected a number, got null' }],
      ['null for a list', { id: 'a', notes: null }, { pointer: '/notes' }],
      ['null in a list', { id: 'a', notes: [null] }, { pointer: '/notes/0' }],
      ['null for free attributes', { id: 'a', attributes: null }, { pointer: '/attributes' }],
      ['null as the body', 'null', { pointer: '', detail: 'expected an object, got null' }],
      ['a list as the body', '[]', { pointer: '' }],
      ['no body', '', { pointer: '', detail: 'a JSON body is needed' }],
      ['a number beyond 64 bits', '{"id":"a","numbers":[1,1e999]}', { pointer: '/numbers/1' }],
      ['a number beyond 64 bits in free attributes', '{"id":"a","attributes":{"x":[1e999]}}', { pointer: '/attributes/x/0' }],
      ['half a surrogate pair', '{"id":"a","text":"\\ud800"}', { pointer: '/text' }],
      ['the character U+0000', { id: 'a', attributes: { x: ['\0'] } }, { pointer: '/attributes/x/0' }],
      ['__proto__', '{"id":"a","__proto__":{"count":1}}', { pointer: '/__proto__' }],
      ['__proto__ in free attributes', '{"id":"a","attributes":{"__proto__":{"x":1}}}', { pointer: '/attributes/__proto__' }],
      ['a broken rule of the contract', { id: 'A!' }, { pointer: '/id' }],
      ['a broken rule deep within', { id: 'a', notes: [{ id: 'b', notes: [{ id: '' }] }] }, { pointer: '/notes/0/notes/0/id' }],
    ])('%s', async (_, body, violation) => {
      const answer = await post('/v1/echoes', body).expect(400).expect('Content-Type', 'application/problem+json');
      expect(answer.body).toMatchObject({ type: '/problems/invalid-request', status: 400, violations: [violation] });
      expect({}).not.toHaveProperty('count');
    });

    it.each([
      ['JSON that ends early', Buffer.from('{"id":')],
      ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0x69, 0x64, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d])],
      ['UTF-8 cut in the middle', Buffer.from('{"id":"ä"}').subarray(0, 8)],
    ])('%s', async (_, body) => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
      const answer = await fetch(`${gateway.url}/v1/echoes`, { method: 'POST', headers, body }); // supertest would encode it
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ type: '/problems/invalid-request', violations: [] });
    });

    it.each([
      ['free attributes', (inner: string) => `{"id":"a","attributes":{"x":${inner}}}`, '[', ']'],
      ['messages', (inner: string) => `{"id":"a","notes":[${inner}]}`, '{"notes":[', ']}'],
      ['unknown fields', (inner: string) => `{"id":"a","x":${inner}}`, '{"a":', '}'],
    ])('JSON nested 100,000 deep in %s', async (_, wrap, open, close) => {
      const inner = open.repeat(100_000) + (open.endsWith(':') ? '1' : '') + close.repeat(100_000);
      const answer = await post('/v1/echoes', wrap(inner)).expect(400);
      expect(answer.body.violations).toHaveLength(1);
    });

    it('takes the last of two equal keys', async () => {
      expect((await post('/v1/echoes', '{"id":"a","text":"1","text":"2"}')).body.text).toBe('2');
    });

    it('reports at most twenty violations', async () => {
      const answer = await post('/v1/echoes', { id: 'a', numbers: Array(1000).fill('x') }).expect(400);
      expect(answer.body.violations).toHaveLength(20);
    });

    it.each([
      ['a path variable against the rules', '/v1/echoes/UPPER', { parameter: 'id' }],
      ['an unknown parameter', '/v1/echoes/a?nope=1', { parameter: 'nope', detail: 'this parameter is not known here' }],
      ['text for a number', '/v1/echoes/a?numbers=1&numbers=x', { parameter: 'numbers' }],
      ['a parameter twice', '/v1/echoes/a?text=1&text=2', { parameter: 'text' }],
      ['the name in the contract instead of the one in JSON', '/v1/echoes/a:watch?fail_at=1', { parameter: 'fail_at' }],
      ['a rule on a query parameter', '/v1/echoes/a:watch?events=-1', { parameter: 'events' }],
      ['U+0000 in the path', '/v1/echoes/a%00', { parameter: 'id' }],
      ['a prototype name', '/v1/echoes/a?__proto__=1', { parameter: '__proto__' }],
    ])('%s', async (_, path, violation) => {
      const answer = await get(path).expect(400);
      expect(answer.body.violations).toMatchObject([violation]);
      expect(answer.body.violations[0]).not.toHaveProperty('pointer');
    });

    it('names places as the caller sees them: inside the body field, or the path', async () => {
      expect((await post('/v1/echoes/n-1:count', { text: 'x'.repeat(10_001) }).expect(400)).body.violations).toMatchObject([{ pointer: '/text' }]);
      expect((await post('/v1/echoes/n-1:count', { txt: 1 }).expect(400)).body.violations).toMatchObject([{ pointer: '/txt' }]);
      expect((await post('/v1/echoes/UPPER:count', {}).expect(400)).body.violations).toMatchObject([{ parameter: 'id' }]);
      expect((await post('/v1/echoes/n-1:count', { id: 'n-2' }).expect(400)).body.violations).toMatchObject([{ pointer: '/id' }]);
    });

    it('null for a body that is a field', async () => {
      expect((await post('/v1/echoes/n-1:count', 'null').expect(400)).body.violations).toMatchObject([{ pointer: '', detail: 'expected an object, got null' }]);
    });

    it('a broken percent sign', async () => {
      const answer = await get('/v1/echoes/%zz').expect(400).expect('Content-Type', 'application/problem+json');
      expect(answer.body.type).toBe('/problems/invalid-request');
    });
  });

  describe('errors', () => {
    it('404 for an unknown path, 405 with Allow for an unknown method, 204 for OPTIONS', async () => {
      expect((await get('/v1/nothing').expect(404)).body.type).toBe('/problems/route-not-found');
      expect((await get('/v1/echoes/a:unknown').expect(404)).body.type).toBe('/problems/route-not-found');
      await api().delete('/v1/echoes/a').send('not read').set('Content-Type', 'text/plain').expect(405).expect('Allow', 'GET, HEAD, OPTIONS');
      await get('/v1/echoes').expect(405).expect('Allow', 'OPTIONS, POST');
      await api().options('/v1/echoes/a:count').expect(204).expect('Allow', 'OPTIONS, POST');
    });

    it('415 for another media type, also without one', async () => {
      await post('/v1/echoes', 'x').set('Content-Type', 'text/plain').expect(415).expect('Content-Type', 'application/problem+json');
      await post('/v1/echoes', 'x').set('Content-Type', 'application/x-www-form-urlencoded').expect(415);
    });

    it('an unexpected error shows its request id and nothing of itself', async () => {
      const answer = await post('/v1/echoes', { id: 'a', text: 'bug' }).set('X-Request-Id', 'req-1').expect(500);
      expect(answer.headers['x-request-id']).toBe('req-1');
      expect(answer.body).toEqual({
        type: '/problems/internal', title: 'Something failed that is not your fault', status: 500, detail: 'An unexpected error was logged.', instance: 'req-1', violations: [],
      });
    });

    it('says when to try again', async () => {
      const answer = await post('/v1/echoes', { id: 'a', text: 'busy' }).expect(503).expect('Retry-After', '7');
      expect(answer.body).toMatchObject({ type: '/problems/too-busy', retryAfterSeconds: 7 });
    });

    it('replaces a request id that could forge log lines, and sets security headers', async () => {
      const answer = await get('/v1/echoes/a').set('X-Request-Id', 'a b').expect('X-Content-Type-Options', 'nosniff').expect('Cache-Control', 'no-store');
      expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
      expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
    });
  });

  describe('event streams', () => {
    it('sends each message with its event and id', async () => {
      const answer = await get('/v1/echoes/a:watch?events=2').expect(200).expect('Content-Type', 'text/event-stream');
      const [first, second, third] = answer.text.split('\n\n');
      expect(first).toMatch(/^event: note\nid: 1\ndata: \{"sequence":1,"note":\{"id":"a"/);
      expect(second).toMatch(/^event: note\nid: 2\n/);
      expect(third).toBe('event: finished\nid: 3\ndata: {"sequence":3,"finished":"a"}');
    });

    it('goes on after the Last-Event-ID of a reader that was cut off, whatever its address says', async () => {
      const answer = await get('/v1/echoes/a:watch?events=3&afterSequence=1').set('Last-Event-ID', '2').expect(200);
      expect(answer.text.match(/^id: .*$/gm)).toEqual(['id: 3', 'id: 4']);
      const refused = await get('/v1/echoes/a:watch?events=3').set('Last-Event-ID', 'x').expect(400);
      expect(refused.body.violations).toMatchObject([{ parameter: 'afterSequence' }]);
    });

    it('answers HEAD with the headers, and stops the service', async () => {
      const ended = new Promise<void>((resolve) => (watched.onEnd = resolve));
      await api().head('/v1/echoes/a:watch?events=1000000').set('Authorization', `Bearer ${key}`).expect(200).expect('Content-Type', 'text/event-stream');
      await ended;
      await api().head('/v1/echoes/a:watch?events=-1').set('Authorization', `Bearer ${key}`).expect(400);
    });

    it('an error before the first message is an ordinary problem', async () => {
      const answer = await get('/v1/echoes/a:watch?events=2&failAt=1').expect(404).expect('Content-Type', 'application/problem+json');
      expect(answer.body).toMatchObject({ type: '/problems/item-not-found', violations: [{ parameter: 'failAt' }] });
    });

    it('an error later on is the last event', async () => {
      const answer = await get('/v1/echoes/a:watch?events=3&failAt=2').expect(200);
      const [, last] = answer.text.trim().split('\n\n');
      expect(last).toMatch(/^event: problem\ndata: /);
      expect(JSON.parse(last.split('data: ')[1])).toMatchObject({ type: '/problems/item-not-found', status: 404 });
    });

    it('holds the service back for a slow reader and stops it when the reader leaves', async () => {
      const ended = new Promise<void>((resolve) => (watched.onEnd = resolve));
      const answer = await fetch(`${gateway.url}/v1/echoes/large:watch?events=1000000`, { headers: { authorization: `Bearer ${key}` } });
      const reader = answer.body!.getReader();
      await reader.read();
      for (let before = -1, quiet = 0; quiet < 500; before = watched.sent) {
        await turn();
        quiet = before === watched.sent ? quiet + 1 : 0; // until it stands still
      }
      expect(watched.sent).toBeLessThan(2_000); // 20 MB: what sockets hold
      await reader.cancel();
      await ended;
      expect(watched.running).toBe(0);
    });
  });
});
