import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type RateLimiter, tooManyRequests } from './rate-limiter.ts';

/** Counts every request with a key, and refuses it when its tenant has had enough, before a byte of the body is read. */
export function limitRequests(server: FastifyInstance, limiter: RateLimiter): void {
  server.addHook('onRequest', async ({ caller }: FastifyRequest, reply: FastifyReply) => {
    if (!caller) return;
    const { isAllowed, headers, retryAfterSeconds } = await limiter.take(caller.tenant.id);
    void reply.headers(headers);
    if (!isAllowed) throw tooManyRequests(retryAfterSeconds);
  });
}
