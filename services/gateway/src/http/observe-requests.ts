import { durationBuckets, Histogram, ObservedGauge, registry } from '@touchstone/runtime/metrics';
import { log } from '@touchstone/runtime/logging';
import { type OpenSpan, parseTraceparent, startSpan, within, type Work } from '@touchstone/runtime/telemetry';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

declare module 'fastify' {
  interface FastifyRequest {
    /** What log lines and spans of this request belong to. */
    work: Work | null;
  }
}

/** Lines of requests at this level; those of probes and of the documentation are always `debug`. */
export type AccessLogLevel = 'info' | 'debug';

const durations = new Histogram({
  name: 'touchstone_http_request_duration_seconds',
  help: 'Requests until the last byte of their answer; status 499 is a client that went away before.',
  labelNames: ['method', 'route', 'status'],
  buckets: durationBuckets,
  registers: [registry],
});
const inFlight = new ObservedGauge({ name: 'touchstone_http_requests_in_flight', help: 'Requests without their last byte of answer, event streams too.' });

/**
 * Makes each request a trace or a part of its caller's, counts it and writes one line when it has ended: which route,
 * whose key, what came of it and how long it took. Bodies, query strings and headers are in none of them.
 *
 * @returns how to end the counting.
 */
export function observeRequests(server: FastifyInstance, accessLog: AccessLogLevel): () => void {
  let open = 0;
  server.decorateRequest('work', null);
  server.addHook('onRequest', (request, reply, done) => {
    const startedAt = performance.now();
    const outer: Work = { service: 'gateway', requestId: request.id, span: parseTraceparent(request.headers.traceparent) };
    const span = within(outer, () => startSpan(request.method, { kind: 'server', beginsTrace: true }));
    request.work = span ? { ...outer, span: span.context } : outer;
    open += 1;
    // Not Fastify's own hook: it is silent about clients that went away.
    reply.raw.once('close', () => {
      open -= 1;
      within(request.work!, () => ended(request, reply, performance.now() - startedAt, accessLog, span));
    });
    within(request.work, done);
  });
  // The body came in events of the socket, which belong to no work.
  server.addHook('preValidation', (request, _reply, done) => within(request.work!, done));
  return inFlight.observe((set) => set({}, open));
}

function ended(request: FastifyRequest, { raw }: FastifyReply, milliseconds: number, accessLog: AccessLogLevel, span: OpenSpan | undefined): void {
  const { method, caller, routeOptions } = request;
  const route = request.is404 ? 'none' : templateOf(routeOptions.url ?? 'none');
  const status = raw.writableFinished ? raw.statusCode : 499;
  durations.observe({ method: methods.has(method) ? method : 'other', route, status }, milliseconds / 1_000);
  span?.end({
    name: `${method} ${route}`,
    attributes: { 'http.request.method': method, 'http.route': route, 'http.response.status_code': status },
    error: status >= 500 ? new Error(String(status)) : undefined,
  });
  const level = routeOptions.config?.isPublic && status < 500 ? 'debug' : accessLog;
  log[level]({ method, route, status, durationMs: Math.round(milliseconds * 10) / 10, tenant: caller?.tenant.id, keyId: caller?.keyId }, 'request');
}

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const templates = new Map<string, string>();

/** Fastify's `/v1/notes/:id([^:/]+)::count` as the contract writes it: `/v1/notes/{id}:count`. */
export function templateOf(url: string): string {
  let template = templates.get(url);
  if (template === undefined) {
    template = url.split('::').map((part) => part.replace(/:(\w+)(\([^)]*\))?/g, '{$1}')).join(':');
    templates.set(url, template);
  }
  return template;
}
