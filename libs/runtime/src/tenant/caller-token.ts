import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { warnRepeatedly } from '../logging/index.ts';
import type { Caller } from './caller.ts';

const lifetimeMs = 60_000;
/** A token is handed out again while at least this much of its life is left, so that a call can finish under it. */
const reserveMs = 30_000;
const maximumRemembered = 10_000;

/** Ed25519 keys of one installation: the gateway signs, every service verifies. */
export interface TokenKeys {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export function generateTokenKeys(): TokenKeys {
  return generateKeyPairSync('ed25519');
}

/** Issues the short-lived token by which a service knows its caller (a JWT, EdDSA). */
export class CallerTokens {
  private readonly issued = new Map<string, { token: Promise<string>; expiresAt: number }>();

  constructor(
    private readonly privateKey: KeyObject,
    private readonly now: () => number = Date.now,
  ) {}

  /** A token for the caller, valid for 30 to 60 seconds; repeated calls share one. */
  issue(caller: Caller): Promise<string> {
    const identity = JSON.stringify([caller.tenant, caller.keyId, caller.scopes]);
    const known = this.issued.get(identity);
    if (known && known.expiresAt - this.now() >= reserveMs) return known.token;

    const expiresAt = this.now() + lifetimeMs;
    const token = this.sign(caller, expiresAt);
    remember(this.issued, identity, { token, expiresAt });
    return token;
  }

  /** A token for work that outlives a call. Give it no more scopes than the work needs: it cannot be called back. */
  grant(caller: Caller, validForMs: number): Promise<string> {
    return this.sign(caller, this.now() + validForMs);
  }

  private sign({ tenant, keyId, scopes }: Caller, expiresAt: number): Promise<string> {
    return new SignJWT({ tenant: tenant.id, scopes, limits: tenant.limits })
      .setProtectedHeader({ alg: 'EdDSA' })
      .setIssuer('touchstone')
      .setSubject(keyId)
      .setExpirationTime(Math.ceil(expiresAt / 1000))
      .sign(this.privateKey);
  }
}

/** Verifies callers' tokens; a token that was verified once is remembered until it expires. */
export class CallerTokenVerifier {
  private readonly verified = new Map<string, { caller: Caller; expiresAt: number }>();

  constructor(
    private readonly publicKey: KeyObject,
    private readonly now: () => number = Date.now,
  ) {}

  /** The caller, or undefined when the token is malformed, expired or signed by another key. */
  async verify(token: string): Promise<Caller | undefined> {
    const known = this.verified.get(token);
    if (known) return known.expiresAt > this.now() ? known.caller : undefined;
    try {
      const { payload } = await jwtVerify(token, this.publicKey, {
        issuer: 'touchstone',
        algorithms: ['EdDSA'],
        requiredClaims: ['sub', 'exp', 'tenant', 'scopes'],
        currentDate: new Date(this.now()),
      });
      const caller: Caller = Object.freeze({
        tenant: Object.freeze({ id: payload.tenant as string, ...(payload.limits ? { limits: Object.freeze(payload.limits as Record<string, number>) } : {}) }),
        keyId: payload.sub!,
        scopes: Object.freeze(payload.scopes as string[]),
      });
      remember(this.verified, token, { caller, expiresAt: payload.exp! * 1000 });
      return caller;
    } catch (error) {
      if (error instanceof errors.JWTExpired) {
        const expiredForSeconds = Math.round(this.now() / 1000 - error.payload.exp!);
        warnRepeatedly({ expiredForSeconds }, 'a caller’s token has expired; if that is new, the clock of the gateway or of this process is wrong');
      }
      return undefined;
    }
  }
}

/** Adds to a map that forgets its oldest entry when it is full. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > maximumRemembered) map.delete(map.keys().next().value!);
}
