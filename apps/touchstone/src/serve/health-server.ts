import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Running } from '@touchstone/runtime/lifecycle';

/** `/livez` and `/readyz` for processes without a gateway, on a port that only the cluster reaches. */
export async function startHealthServer(port: number, platform: Pick<Running, 'health'>): Promise<{ port: number; stop(): Promise<void> }> {
  const server = createServer(async (request, response) => {
    const answer = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    if (request.url === '/livez') return answer(200, { status: 'live' });
    if (request.url !== '/readyz') return answer(404, { status: 'unknown' });
    const parts = await platform.health();
    const isReady = parts.every((part) => part.isReady);
    answer(isReady ? 200 : 503, { status: isReady ? 'ready' : 'not ready', parts });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, () => resolve()));
  return {
    port: (server.address() as AddressInfo).port,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
