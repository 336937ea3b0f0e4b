import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Counted, type RateLimiter, type RateLimitHeaders, tooManyRequests } from './rate-limiter.ts';

/**
 * Counts every request with a key, and refuses it when the key or its tenant has had enough. The body, which is limited itself, has
 * been read by then: a client that still sends would lose the answer to the reset of its connection.
 */
export function limitRequests(server: FastifyInstance, limiter: RateLimiter): void {
  server.addHook('preHandler', async ({ caller }: FastifyRequest, reply: FastifyReply) => {
    if (!caller) return;
    const all: Counted[] = [
      ...(caller.hasOwnLimit ? [{ policy: 'key', id: caller.keyId } as const] : []),
      { policy: 'requests', id: caller.tenant.id },
    ];
    const fields: RateLimitHeaders[] = [];
    for (const counted of all) {
      const { isAllowed, headers, retryAfterSeconds } = await limiter.take(counted);
      fields.push(headers);
      void reply.headers({ 'ratelimit-policy': fields.map((each) => each['ratelimit-policy']).join(', '), ratelimit: fields.map(({ ratelimit }) => ratelimit).join(', ') });
      if (!isAllowed) throw tooManyRequests(counted, retryAfterSeconds); // A key that has had enough takes nothing from its tenant.
    }
  });
}
