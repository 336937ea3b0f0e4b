import { Problem, Reason } from '@touchstone/contracts';
import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyRequest {
    /** The `Content-Type` of a body that is bytes. */
    bodyType: string | undefined;
  }
  interface FastifyContextConfig {
    /** True on the few routes whose body is bytes of any type, handed on as they come and limited by the route. */
    takesBytes?: boolean;
  }
}

/** Hands the bodies of routes that take bytes on as streams, JSON too; all others take JSON alone. */
export function takeBytes(server: FastifyInstance): void {
  server.decorateRequest('bodyType', undefined);
  server.addHook('preParsing', async (request) => {
    if (!request.routeOptions.config?.takesBytes) return;
    request.bodyType = request.headers['content-type'];
    request.raw.headers['content-type'] = 'application/octet-stream'; // else the parser of JSON would read it
  });
  server.addContentTypeParser('application/octet-stream', (request, payload, done) => {
    if (request.routeOptions.config?.takesBytes) done(null, payload);
    else done(new Problem({ reason: Reason.UNSUPPORTED_MEDIA_TYPE, detail: 'The body must be application/json.' }));
  });
}
