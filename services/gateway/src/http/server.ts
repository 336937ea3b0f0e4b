import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { Problem, Reason, reasonPolicy } from '@touchstone/contracts';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { problemDocument, problemOf, problemType } from '../rest/problem-document.ts';
import { sendProblem } from '../rest/problem.filter.ts';
import { takeBytes } from './bodies-of-bytes.ts';
import { awaitUnreadBodies } from './unread-body.ts';

/** What the HTTP server grants to a client that nobody knows yet. */
export interface ServerOptions {
  /** Larger bodies are refused with 413, before they are read when they say their length. */
  readonly bodyLimitBytes: number;
  /** Which proxies may say who the client is: Fastify's `trustProxy`. */
  readonly trustProxy: boolean | string | string[];
  /** Time for a whole request to come in. */
  readonly requestTimeoutMs: number;
}

/** Fastify with this platform's limits, request ids, security headers and parser of bodies. */
export function httpServer({ bodyLimitBytes, trustProxy, requestTimeoutMs }: ServerOptions): FastifyAdapter {
  const adapter = new FastifyAdapter({
    bodyLimit: bodyLimitBytes,
    trustProxy,
    requestTimeout: requestTimeoutMs,
    // Longer than the 15 s between heartbeats of event streams.
    connectionTimeout: Math.max(requestTimeoutMs, 60_000),
    keepAliveTimeout: 65_000,
    http: { headersTimeout: Math.min(requestTimeoutMs, 10_000), connectionsCheckingInterval: Math.min(requestTimeoutMs, 2_000), maxHeaderSize: 16 * 1024 },
    requestIdHeader: false,
    genReqId: ({ headers }: IncomingMessage) => requestId(headers['x-request-id']),
    routerOptions: { maxParamLength: 1024 },
    exposeHeadRoutes: true,
    skipMiddie: true,
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      void reply.headers(securityHeaders).header('x-request-id', request.id);
      sendProblem(reply, problemOf(error, request.id), request.id);
    },
    clientErrorHandler: answerMalformed,
  });
  const server = adapter.getInstance();
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJson(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  takeBytes(server);
  awaitUnreadBodies(server, { bodyLimitBytes });
  server.addHook('onRequest', (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
    void reply.headers(securityHeaders).header('x-request-id', request.id);
    done();
  });
  return adapter;
}

const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
};

function requestId(given: string | string[] | undefined): string {
  return typeof given === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(given) ? given : randomUUID();
}

function parseJson(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  // Decoding would silently replace what is not UTF-8.
  if (!isUtf8(body)) throw new Problem({ reason: Reason.INVALID_REQUEST, detail: 'The body is not UTF-8.' });
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new Problem({ reason: Reason.INVALID_REQUEST, detail: `The body is not JSON: ${(error as Error).message}` }, { cause: error });
  }
}

/** What is not HTTP, or comes too slowly, never reaches a route. */
function answerMalformed(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, detail] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'The request came in too slowly.']
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'The headers are too large.']
        : ['400 Bad Request', 'This is not a request of HTTP/1.1.'];
  const problem = new Problem({ reason: Reason.INVALID_REQUEST, detail });
  const document = JSON.stringify({ ...problemDocument(problem), status: Number.parseInt(status, 10), title: reasonPolicy(problem.reason).title });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: ${problemType}\r\nContent-Length: ${Buffer.byteLength(document)}\r\nConnection: close\r\n\r\n${document}`,
  );
}
