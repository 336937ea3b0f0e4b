import { lookup as resolveName } from 'node:dns/promises';
import { request as plainRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { isPublicAddress } from './public-address.ts';

/** An outside address was not fetched; the message may be shown to whoever gave it. */
export class FetchRefused extends Error {
  override readonly name = 'FetchRefused';
}

export interface OutboundFetchOptions {
  /** Hosts that may be asked: `images.example.org`, `*.example.org` for all below it, either with `:port`. None when empty. */
  readonly hosts: readonly string[];
  /** Default 10 s, from the first look at the name to the last byte. */
  readonly timeoutMs?: number;
}

/** What a test puts in the place of the Internet. */
export interface Internet {
  readonly scheme: 'https:' | 'http:';
  resolve(host: string): Promise<readonly string[]>;
  isPublic(address: string): boolean;
}

const internet: Internet = {
  scheme: 'https:',
  resolve: async (host) => (await resolveName(host, { all: true, verbatim: true })).map(({ address }) => address),
  isPublic: isPublicAddress,
};

/**
 * Fetches what callers name by URL, without letting them reach what only this machine reaches: https alone, hosts of a
 * list, a name that is resolved once, only public addresses, the connection to exactly that address, no redirects.
 */
export class OutboundFetch {
  private readonly timeoutMs: number;

  constructor(
    private readonly options: OutboundFetchOptions,
    private readonly world: Internet = internet,
  ) {
    this.timeoutMs = options.timeoutMs ?? 10_000;
  }

  /**
   * The bytes behind a URL.
   *
   * @throws FetchRefused for an address that may not be asked, any answer but 200, more bytes than the limit, or a late one.
   * @throws the signal's reason when it is aborted.
   */
  async get(address: string, { maximumBytes, signal }: { maximumBytes: number; signal?: AbortSignal }): Promise<Uint8Array> {
    const url = this.allowed(address);
    const timeout = AbortSignal.timeout(this.timeoutMs);
    const ended = signal ? AbortSignal.any([signal, timeout]) : timeout;
    try {
      const target = await untilAborted(this.publicAddressOf(url.hostname), ended);
      return await bytesOf(await this.send(url, target, ended), maximumBytes);
    } catch (error) {
      if (error instanceof FetchRefused) throw error;
      signal?.throwIfAborted();
      if (timeout.aborted) throw new FetchRefused(`${url.host} did not send it within ${this.timeoutMs / 1000} s`, { cause: error });
      throw new FetchRefused(`${url.host} cannot be reached`, { cause: error });
    }
  }

  /** The URL in its one form: parsing turns octal, hexadecimal and decimal addresses into the usual one. */
  private allowed(address: string): URL {
    const url = URL.parse(address);
    if (!url || url.protocol !== this.world.scheme) throw new FetchRefused(`expected an address that begins with ${this.world.scheme}//`);
    if (url.username || url.password) throw new FetchRefused('an address must not carry a password');
    if (this.options.hosts.length === 0) throw new FetchRefused('addresses are not fetched here: the operator has named no host (TOUCHSTONE_FETCH_HOSTS)');
    if (!this.options.hosts.some((host) => matches(url, host))) throw new FetchRefused(`${url.host} is not among the hosts that the operator allows`);
    return url;
  }

  /** Names that have any private address are refused as a whole. */
  private async publicAddressOf(hostname: string): Promise<string> {
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const addresses = isIP(host) ? [host] : await this.world.resolve(host);
    if (addresses.length === 0 || !addresses.every((each) => this.world.isPublic(each))) throw new FetchRefused(`${hostname} has no public address`);
    return addresses[0];
  }

  private send(url: URL, target: string, signal: AbortSignal): Promise<IncomingMessage> {
    const family = isIP(target);
    const lookup: LookupFunction = (_, { all }, done) => (all ? done(null, [{ address: target, family }]) : done(null, target, family));
    const options: RequestOptions = { lookup, signal, agent: false, headers: { 'accept-encoding': 'identity', 'user-agent': 'touchstone' } };
    return new Promise((resolve, reject) => {
      const request = url.protocol === 'https:' ? tlsRequest : plainRequest;
      request(url, options, resolve).once('error', reject).end();
    });
  }
}

function matches({ hostname, port }: URL, allowed: string): boolean {
  const [, name, allowedPort = ''] = /^(.*?)(?::(\d+))?$/.exec(allowed.toLowerCase())!;
  if (port !== allowedPort) return false;
  return name.startsWith('*.') ? hostname.endsWith(name.slice(1)) && hostname.length >= name.length : hostname === name;
}

async function bytesOf(answer: IncomingMessage, maximumBytes: number): Promise<Uint8Array> {
  try {
    const { statusCode = 0, headers } = answer;
    if (statusCode >= 300 && statusCode < 400) throw new FetchRefused('the address redirects; give the one that it leads to');
    if (statusCode !== 200) throw new FetchRefused(`the address answers ${statusCode}`);
    if ((headers['content-encoding'] ?? 'identity') !== 'identity') throw new FetchRefused(`the answer is encoded (${headers['content-encoding']})`);
    if (Number(headers['content-length'] ?? 0) > maximumBytes) throw tooLong(maximumBytes);
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of answer as AsyncIterable<Uint8Array>) {
      bytes += chunk.byteLength;
      if (bytes > maximumBytes) throw tooLong(maximumBytes);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    answer.destroy();
  }
}

const tooLong = (maximumBytes: number) => new FetchRefused(`the address has more than ${maximumBytes} bytes`);

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', onAbort));
}
