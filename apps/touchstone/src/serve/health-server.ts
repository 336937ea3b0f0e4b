import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { partsWithin, type Running } from '@touchstone/runtime/lifecycle';
import { log } from '@touchstone/runtime/logging';
import { observeProcess, registry } from '@touchstone/runtime/metrics';

/** Shorter than a probe waits: a part that is silent is no reason to end the process. */
const patienceMs = 3_000;

interface Answer {
  readonly status: number;
  readonly type?: string;
  readonly body: string;
}

/** `/livez`, `/readyz` and `/metrics` of a process, on a port that is not public. */
export async function startHealthServer(address: { host: string; port: number }, platform: Pick<Running, 'health'>): Promise<{ port: number; stop(): Promise<void> }> {
  observeProcess();
  const read = () => partsWithin(patienceMs, () => platform.health());
  const answers: Readonly<Record<string, () => Promise<Answer>>> = {
    async '/livez'() {
      const dead = (await read()).filter(({ isLive = true }) => !isLive);
      return dead.length === 0 ? json(200, { status: 'live' }) : json(503, { status: 'not-live', parts: dead });
    },
    async '/readyz'() {
      const parts = await read();
      const isReady = parts.every((part) => part.isReady);
      return json(isReady ? 200 : 503, { status: isReady ? 'ready' : 'not-ready', parts });
    },
    async '/metrics'() {
      return { status: 200, type: registry.contentType, body: await registry.metrics() };
    },
  };
  const server = createServer(async (request, response) => {
    const answer = answers[request.url!];
    const { status, type = 'application/json', body } = answer ? await answer().catch(failed) : json(404, { status: 'unknown' });
    response.writeHead(status, { 'content-type': type }).end(body);
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(address.port, address.host, () => resolve()));
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      server.close();
      server.closeAllConnections(); // A scraper keeps its connection.
    },
  };
}

const json = (status: number, body: object): Answer => ({ status, body: JSON.stringify(body) });

function failed(error: unknown): Answer {
  log.error({ err: error }, 'an answer about health failed');
  return json(500, { status: 'unknown' });
}
