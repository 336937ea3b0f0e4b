import { once } from 'node:events';
import { connect } from 'node:net';
import autocannon from 'autocannon';

export interface Target {
  readonly url: string;
  readonly path: string;
  readonly key?: string;
  readonly body: string;
}

/** Requests per second of 32 clients; fails when an answer was not a success. */
export async function throughput({ url, path, key, body }: Target, seconds: number): Promise<{ requests: number; perSecond: number }> {
  const headers = { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) };
  const result = await autocannon({ url: `${url}${path}`, method: 'POST', headers, body, connections: 32, duration: seconds });
  if (result.non2xx + result.errors > 0) throw new Error(`${path}: ${result.non2xx} answers were no success, ${result.errors} errors`);
  return { requests: result['2xx'], perSecond: result['2xx'] / result.duration };
}

/** Milliseconds of each of `count` requests, one after the other on one connection. */
export async function latencies({ url, path, key, body }: Target, count: number): Promise<number[]> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).setNoDelay(true);
  await once(socket, 'connect');
  const head = [`POST ${path} HTTP/1.1`, 'Host: bench', 'Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`];
  const request = [...head, ...(key ? [`Authorization: Bearer ${key}`] : []), '', body].join('\r\n');
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    socket.write(request);
    let text = '';
    do text += (await once(socket, 'data')).toString();
    while (!isWhole(text));
    times.push(performance.now() - start);
    if (!/^HTTP\/1\.1 20[01] /.test(text)) throw new Error(`${path}: ${text.slice(0, 400)}`);
  }
  socket.destroy();
  return times;
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  const length = /\r\ncontent-length: (\d+)/i.exec(text)?.[1];
  return end >= 0 && Buffer.byteLength(text.slice(end + 4)) >= Number(length);
}
