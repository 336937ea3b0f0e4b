import { Problem, Reason } from '@touchstone/contracts';

/** Also for another tenant's: nobody learns that it is there. */
export const keyNotFound = (id: string) =>
  new Problem({ reason: Reason.KEY_NOT_FOUND, detail: `There is no key ${id}.`, violations: [{ pointer: '/id', detail: 'no such key' }] });

export const keyRevoked = (id: string) =>
  new Problem({ reason: Reason.KEY_REVOKED, detail: `The key ${id} was revoked and cannot get a new secret. Create another key.` });

export const scopesExceeded = (missing: readonly string[]) =>
  new Problem({ reason: Reason.SCOPE_MISSING, detail: `The calling key cannot grant what it may not do itself: ${missing.join(', ')}.` });

export const limitTooHigh = (most: number) =>
  new Problem({ reason: Reason.INVALID_REQUEST, detail: `The calling key has ${most} requests a minute and cannot grant more.`, violations: [{ pointer: '/requestsPerMinute', detail: `expected at most ${most}` }] });
