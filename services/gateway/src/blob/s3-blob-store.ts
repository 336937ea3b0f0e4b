import { createReadStream } from 'node:fs';
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Problem, Reason } from '@touchstone/contracts';
import type { Tenant } from '@touchstone/runtime/tenant';
import { AwsClient } from 'aws4fetch';
import type { BlobFolder } from './blob-folder.ts';
import { BlobStore, type ByteRange, type IncomingBytes, type ReceivedFile } from './blob-store.ts';

/** Where an S3-compatible store is, and who we are there. */
export interface S3Options {
  /** With the bucket as its path: `https://s3.eu-central-1.amazonaws.com/my-bucket`. */
  readonly url: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Without a byte in either direction; until the answer begins, then its reader may be as slow as it is. */
const silenceMs = 30_000;
const attempts = 3;

/**
 * Blobs in a bucket: `<tenant>/<sha256>`, and parts of uploads: `<tenant>/incoming/<name>`. Bytes that come in lie in a folder
 * of the process first, because S3 wants their size and hash before them; nobody else needs to see that folder.
 */
export class S3BlobStore extends BlobStore {
  readonly #client: AwsClient;
  readonly #url: string;
  readonly #agents = { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) };

  constructor(
    private readonly incoming: BlobFolder,
    { url, region, accessKeyId, secretAccessKey }: S3Options,
  ) {
    super();
    this.#url = url.replace(/\/$/, '');
    this.#client = new AwsClient({ accessKeyId, secretAccessKey, region, service: 's3', retries: 0 });
  }

  receive(tenant: Tenant, incoming: IncomingBytes, limitBytes: number): Promise<ReceivedFile> {
    return this.incoming.receive(tenant, incoming, limitBytes);
  }

  async keep(tenant: Tenant, file: ReceivedFile): Promise<void> {
    await this.put(`${tenant.id}/${file.sha256}`, file);
  }

  discard(file: Pick<ReceivedFile, 'path'>): Promise<void> {
    return this.incoming.discard(file);
  }

  async has(tenant: Tenant, id: string): Promise<boolean> {
    return (await this.done('HEAD', `/${tenant.id}/${id}`, [200, 404])) === 200;
  }

  read(tenant: Tenant, id: string, range?: ByteRange): Promise<Readable> {
    return this.get(`${tenant.id}/${id}`, range);
  }

  async remove(tenant: Tenant, id: string): Promise<void> {
    await this.done('DELETE', `/${tenant.id}/${id}`, [204, 200, 404]);
  }

  async keepPart(tenant: Tenant, file: ReceivedFile): Promise<string> {
    const name = basename(file.path);
    await this.put(`${tenant.id}/incoming/${name}`, file);
    await this.incoming.discard(file);
    return name;
  }

  readPart(tenant: Tenant, name: string): Promise<Readable> {
    return this.get(`${tenant.id}/incoming/${name}`);
  }

  async removePart(tenant: Tenant, name: string): Promise<void> {
    await this.done('DELETE', `/${tenant.id}/incoming/${name}`, [204, 200, 404]);
  }

  async tenants(): Promise<Tenant[]> {
    const prefixes: string[] = [];
    for await (const page of this.list('', '/')) prefixes.push(...[...page.matchAll(/<Prefix>([0-9a-f-]{36})\/<\/Prefix>/g)].map(([, id]) => id));
    const local = (await this.incoming.tenants()).map(({ id }) => id);
    return [...new Set([...prefixes, ...local])].map((id) => ({ id }));
  }

  /** What a crash of this process left in its own folder goes too. */
  async old(tenant: Tenant, before: Date): Promise<{ blobs: string[]; parts: string[] }> {
    for (const name of (await this.incoming.old(tenant, before)).parts) await this.incoming.removePart(tenant, name);
    const keys: string[] = [];
    for await (const page of this.list(`${tenant.id}/`)) {
      for (const [, object] of page.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
        const [, key] = /<Key>([0-9a-z/-]+)<\/Key>/.exec(object) ?? [];
        const [, modified] = /<LastModified>([^<]+)<\/LastModified>/.exec(object) ?? [];
        if (key && modified && new Date(modified) < before) keys.push(key.slice(tenant.id.length + 1));
      }
    }
    const parts = keys.filter((key) => key.startsWith('incoming/')).map((key) => key.slice('incoming/'.length));
    return { blobs: keys.filter((key) => /^[0-9a-f]{64}$/.test(key)), parts };
  }

  async check(): Promise<void> {
    await this.done('GET', '?list-type=2&max-keys=1', [200]);
  }

  private async put(key: string, { path, bytes, sha256 }: ReceivedFile): Promise<void> {
    await this.done('PUT', `/${key}`, [200], { 'x-amz-content-sha256': sha256, 'content-length': String(bytes) }, path);
  }

  private get(key: string, range?: ByteRange): Promise<Readable> {
    return this.ask('GET', `/${key}`, [200, 206], range ? { range: `bytes=${range.start}-${range.end}` } : {});
  }

  /** Pages of a list of objects, as XML: our keys need no escapes. */
  private async *list(prefix: string, delimiter = ''): AsyncIterable<string> {
    for (let token: string | undefined = ''; token !== undefined; ) {
      const query = new URLSearchParams({ 'list-type': '2', prefix, ...(delimiter ? { delimiter } : {}), ...(token ? { 'continuation-token': token } : {}) });
      const page = await text(await this.ask('GET', `?${query}`, [200]));
      yield page;
      token = /<NextContinuationToken>([^<]+)<\/NextContinuationToken>/.exec(page)?.[1];
    }
  }

  /** A request whose answer says no more than its status. @returns the status */
  private async done(method: string, path: string, expected: readonly number[], headers?: Record<string, string>, file?: string): Promise<number> {
    const answer = await this.ask(method, path, expected, headers, file);
    answer.resume();
    return answer.statusCode!;
  }

  /** Every request may be sent again: it says what is to be, not what is to change. @throws Problem unavailable */
  private async ask(method: string, path: string, expected: readonly number[], headers: Record<string, string> = {}, file?: string): Promise<IncomingMessage> {
    let failure: unknown;
    for (let attempt = 1; attempt <= attempts; attempt++) {
      if (attempt > 1) await delay(100 * 4 ** (attempt - 1));
      try {
        const answer = await this.send(await this.#client.sign(`${this.#url}${path}`, { method, headers }), file);
        if (expected.includes(answer.statusCode!)) return answer;
        failure = new Error(`${method} ${path}: ${answer.statusCode} ${(await text(answer)).slice(0, 500)}`);
        if (answer.statusCode! < 500 && answer.statusCode !== 429) break;
      } catch (error) {
        failure = error;
      }
    }
    throw new Problem({ reason: Reason.UNAVAILABLE, detail: 'The blob store does not answer as it should.', retryAfterSeconds: 5 }, { cause: failure });
  }

  /** By node:http: in Node 24 an exception of `fetch` ends the process when a server hangs up while a body waits for its reader. */
  private async send({ url, method, headers }: Request, file?: string): Promise<IncomingMessage> {
    const [request, agent] = url.startsWith('https:') ? [httpsRequest, this.#agents.https] : [httpRequest, this.#agents.http];
    const sent = request(url, { method, headers: Object.fromEntries(headers), agent });
    const answered = new Promise<IncomingMessage>((resolve, reject) => sent.once('response', resolve).on('error', reject));
    answered.catch(() => undefined); // It is awaited below, unless the file cannot be read.
    sent.setTimeout(silenceMs, () => sent.destroy(new Error(`no byte for ${silenceMs} ms`)));
    if (file === undefined) sent.end();
    else await pipeline(createReadStream(file), sent);
    const answer = await answered;
    sent.setTimeout(0);
    return answer;
  }
}
