import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream';
import type { FastifyInstance } from 'fastify';

/** Without another byte of the body. */
const patienceMs = 500;
const longestMs = 10_000;

/**
 * Answers a request that is refused before its body came once the body is there, and thrown away, or comes no further. A server
 * that answers and closes while bytes are on their way breaks the connection, and the client may lose the answer. What is too
 * large, and a client that asks before it sends, are answered at once.
 */
export function awaitUnreadBodies(server: FastifyInstance, { bodyLimitBytes }: { bodyLimitBytes: number }): void {
  server.addHook('onSend', (request, reply, _payload, done) => {
    if (request.raw.complete || reply.statusCode === 413 || request.headers.expect !== undefined) done();
    else discard(request.raw, bodyLimitBytes, done);
  });
}

function discard(body: IncomingMessage, mostBytes: number, done: () => void): void {
  const givenUpAt = Date.now() + longestMs;
  let bytes = 0;
  const timer = setTimeout(end, patienceMs);
  const stopWaiting = finished(body, end);
  body.on('data', onData);

  function onData(data: Buffer): void {
    bytes += data.length;
    if (bytes > mostBytes) end();
    else if (Date.now() < givenUpAt) timer.refresh();
  }

  function end(): void {
    clearTimeout(timer);
    stopWaiting();
    body.off('data', onData);
    done();
  }
}
