import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type RateLimiter, tooManyRequests } from './rate-limiter.ts';

/**
 * Counts every request with a key, and refuses it when its tenant has had enough. The body, which is limited itself, has
 * been read by then: a client that still sends would lose the answer to the reset of its connection.
 */
export function limitRequests(server: FastifyInstance, limiter: RateLimiter): void {
  server.addHook('preHandler', async ({ caller }: FastifyRequest, reply: FastifyReply) => {
    if (!caller) return;
    const { isAllowed, headers, retryAfterSeconds } = await limiter.take(caller.tenant.id);
    void reply.headers(headers);
    if (!isAllowed) throw tooManyRequests(retryAfterSeconds);
  });
}
