import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FetchRefused, type Internet, isPublicAddress, OutboundFetch } from './index.ts';

describe('isPublicAddress', () => {
  it.each([
    '127.0.0.1', '127.255.255.254', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '169.254.169.254', '100.64.0.1', '100.100.100.200',
    '168.63.129.16', '198.18.0.1', '224.0.0.1', '255.255.255.255', '::', '::1', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '::ffff:7f00:1', '::7f00:1', '64:ff9b::7f00:1',
    '64:ff9b::10.0.0.1', '64:ff9b:1::1', '2002:7f00:1::', '2001::1', '2001:db8::1', 'fc00::1', 'fd00:ec2::254', 'fe80::1', 'fe80::1%eth0', '2606:4700::1%1', 'ff02::1',
    '', 'localhost', '1.2.3', '0x7f000001',
  ])('%s is not', (address) => expect(isPublicAddress(address)).toBe(false));

  it.each(['8.8.8.8', '1.1.1.1', '172.15.255.255', '172.32.0.1', '100.63.255.255', '2606:4700::1111', '2a00:1450:4001::1'])('%s is', (address) =>
    expect(isPublicAddress(address)).toBe(true),
  );
});

let server: Server;
let port: number;
let answer: RequestListener;
const asked: { host: string | undefined; address: string | undefined }[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push({ host: request.headers.host, address: request.socket.localAddress });
    answer(request, response);
  }).listen(0, '0.0.0.0');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** An Internet whose names all lie on this machine; `answers` are what the resolver says, one after the other. */
function world(answers: string[][] = [['127.0.0.1']], isPublic: Internet['isPublic'] = (address) => address.startsWith('127.')) {
  const resolved: string[] = [];
  const fake: Internet = {
    scheme: 'http:',
    resolve: async (host) => {
      resolved.push(host);
      return answers[Math.min(resolved.length, answers.length) - 1];
    },
    isPublic,
  };
  return { fake, resolved };
}

const pictures = () => `http://pictures.test:${port}/one.png`;
const fetcher = (fake = world().fake, timeoutMs = 5_000) => new OutboundFetch({ hosts: [`pictures.test:${port}`], timeoutMs }, fake);
const limit = { maximumBytes: 1_000 };

describe('OutboundFetch', () => {
  it('brings the bytes from the address that was resolved, under the name that was asked', async () => {
    answer = (_, response) => response.end('the picture');
    expect(Buffer.from(await fetcher().get(pictures(), limit)).toString()).toBe('the picture');
    expect(asked.at(-1)).toEqual({ host: `pictures.test:${port}`, address: '127.0.0.1' });
  });

  it('a name that changes its address afterwards changes nothing: it is resolved once', async () => {
    answer = (_, response) => response.end('a');
    const { fake, resolved } = world([['127.0.0.3'], ['127.0.0.2']]);
    await fetcher(fake).get(pictures(), limit);
    expect(resolved).toEqual(['pictures.test']);
    expect(asked.at(-1)!.address).toBe('127.0.0.3');
  });

  it.each([
    ['a private address', ['10.0.0.1']],
    ['one private address among others', ['127.0.0.1', '169.254.169.254']],
    ['no address', []],
  ])('refuses a name with %s, and asks nobody', async (_, addresses) => {
    const before = asked.length;
    await expect(fetcher(world([addresses]).fake).get(pictures(), limit)).rejects.toThrow(/no public address/);
    expect(asked).toHaveLength(before);
  });

  it.each([
    'https://127.0.0.1/', 'https://2130706433/', 'https://0x7f.1/', 'https://0177.0.0.1/', 'https://[::1]/', 'https://[::ffff:127.0.0.1]/', 'https://[64:ff9b::7f00:1]/',
    'https://169.254.169.254/latest/meta-data', 'https://[fd00:ec2::254]/',
  ])('refuses %s, also when the operator allows every host by mistake', async (address) => {
    const { hostname } = new URL(address);
    await expect(new OutboundFetch({ hosts: [hostname] }).get(address, limit)).rejects.toThrow(/no public address/);
  });

  it.each([
    ['http://pictures.test/', /begins with https/],
    ['ftp://pictures.test/', /begins with https/],
    ['file:///etc/passwd', /begins with https/],
    ['not an address', /begins with https/],
    ['https://user:secret@pictures.test/', /password/],
    ['https://pictures.test:8443/', /not among/],
    ['https://pictures.test./', /not among/],
    ['https://pictures.test.evil.test/', /not among/],
    ['https://evilpictures.test/', /not among/],
    ['https://below.pictures.test/', /not among/],
  ])('refuses %s', async (address, why) => {
    await expect(new OutboundFetch({ hosts: ['pictures.test'] }).get(address, limit)).rejects.toThrow(why);
  });

  it('takes what is below a name with a star, and only that', async () => {
    answer = (_, response) => response.end('a');
    const starred = new OutboundFetch({ hosts: [`*.pictures.test:${port}`] }, world().fake);
    await expect(starred.get(`http://a.b.pictures.test:${port}/`, limit)).resolves.toHaveLength(1);
    await expect(starred.get(pictures(), limit)).rejects.toThrow(/not among/);
  });

  it('without hosts fetches nothing and says what the operator sets', async () => {
    await expect(new OutboundFetch({ hosts: [] }).get('https://pictures.test/', limit)).rejects.toThrow(/TOUCHSTONE_FETCH_HOSTS/);
  });

  it.each<[string, RequestListener, RegExp]>([
    ['a redirect', (_, response) => response.writeHead(302, { location: 'http://127.0.0.1/' }).end(), /redirects/],
    ['an error', (_, response) => response.writeHead(500).end('secret'), /answers 500/],
    ['more bytes than announced as allowed', (_, response) => response.writeHead(200, { 'content-length': '1001' }).end('x'.repeat(1001)), /more than 1000 bytes/],
    ['more bytes without an announcement', (_, response) => void response.write('x'.repeat(600), () => response.end('x'.repeat(600))), /more than 1000 bytes/],
    ['a packed answer', (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'), /encoded/],
    ['a broken connection', (_, response) => void response.write('half', () => response.destroy()), /cannot be reached/],
  ])('refuses %s', async (_, listener, why) => {
    answer = listener;
    const call = fetcher().get(pictures(), limit);
    await expect(call).rejects.toBeInstanceOf(FetchRefused);
    await expect(call).rejects.toThrow(why);
  });

  it.each<[string, RequestListener]>([
    ['sends nothing', () => undefined],
    ['sends a byte and then nothing', (_, response) => void response.write('x')],
  ])('gives up a server that %s', async (_, listener) => {
    answer = listener;
    await expect(fetcher(world().fake, 100).get(pictures(), limit)).rejects.toThrow(/within 0.1 s/);
  });

  it('gives up a name that nobody resolves, and stops when the caller does', async () => {
    const never: Internet = { ...world().fake, resolve: () => new Promise(() => undefined) };
    await expect(fetcher(never, 100).get(pictures(), limit)).rejects.toThrow(/within 0.1 s/);
    const abort = new AbortController();
    const call = fetcher(never).get(pictures(), { ...limit, signal: abort.signal });
    abort.abort(new Error('went away'));
    await expect(call).rejects.toThrow('went away');
  });
});
