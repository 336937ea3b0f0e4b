import { Problem, Reason } from '@touchstone/contracts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { readBearer } from './key-token.ts';
import type { KeyHolder, KeyVerifier } from './key-verifier.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls; null on routes that need no key. */
    caller: KeyHolder | null;
  }
  interface FastifyContextConfig {
    /** True on the few routes that need no key. */
    isPublic?: boolean;
  }
}

/** Demands a key on every route that is not marked as public, before a byte of the body is read. */
export function demandKeys(server: FastifyInstance, verifier: KeyVerifier): void {
  server.decorateRequest('caller', null);
  server.addHook('onRequest', async (request: FastifyRequest) => {
    if (request.routeOptions.config?.isPublic) return;
    const token = readBearer(request.headers.authorization);
    const caller = token && (await verifier.verify(token));
    if (!caller) throw new Problem({ reason: Reason.UNAUTHENTICATED, detail: refusal(request) });
    request.caller = caller;
  });
}

function refusal({ headers: { authorization } }: FastifyRequest): string {
  return authorization === undefined
    ? 'The request carries no key. Send it as `Authorization: Bearer ts_live_…`.'
    : 'The key is malformed, unknown, expired or revoked.';
}

/** For routes that no contract describes. @throws Problem scope-missing */
export function demandScope({ caller }: FastifyRequest, scope: string): KeyHolder {
  if (!caller?.scopes.some((own) => own === scope || own === '*')) {
    throw new Problem({ reason: Reason.SCOPE_MISSING, detail: `The key needs the scope ${scope}.` });
  }
  return caller;
}
