import { Problem, Reason } from '@touchstone/contracts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/**
 * Answers requests that no route takes: 204 for OPTIONS and 405 for other methods, both with `Allow`, when the path
 * is known; the rest goes on to be a 404.
 */
export function refuseOtherMethods(server: FastifyInstance): void {
  const methodsByPath = new Map<string, { pattern: RegExp; methods: Set<string> }>();
  server.addHook('onRoute', ({ url, method }) => {
    const known = methodsByPath.get(url) ?? { pattern: patternOf(url), methods: new Set(['OPTIONS']) };
    for (const each of [method].flat()) known.methods.add(each);
    methodsByPath.set(url, known);
  });
  server.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    if (!request.is404) return;
    const path = request.url.split('?', 1)[0];
    const allowed = new Set([...methodsByPath.values()].filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => [...methods]));
    if (allowed.size === 0) throw new Problem({ reason: Reason.ROUTE_NOT_FOUND, detail: 'There is nothing at this path.' });
    void reply.header('allow', [...allowed].sort().join(', '));
    if (request.method === 'OPTIONS') return reply.status(204).send();
    throw new Problem({ reason: Reason.METHOD_NOT_ALLOWED, detail: `${request.method} is not allowed here.` });
  });
}

/** `/v1/notes/:id([^:/]+)::count` as a regular expression; `::` is a colon. */
function patternOf(url: string): RegExp {
  const source = url
    .split('::')
    .map((part) => part.replaceAll('.', '\\.').replace(/:\w+(\(\[\^:\/\]\+\))?/g, '[^:/]+'))
    .join(':');
  return new RegExp(`^${source}$`);
}
