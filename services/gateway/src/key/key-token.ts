import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** A key in parts. The id is public, the secret is shown once and stored only as its hash. */
export interface KeyToken {
  /** 12 hexadecimal digits. */
  readonly id: string;
  /** 192 random bits as 48 hexadecimal digits. */
  readonly secret: string;
}

export function newKeyToken(): KeyToken {
  return { id: randomBytes(6).toString('hex'), secret: randomBytes(24).toString('hex') };
}

export const formatKey = ({ id, secret }: KeyToken) => `ts_live_${id}_${secret}`;

/** Reads `Authorization: Bearer ts_live_<id>_<secret>`; undefined when it is anything else. */
export function readBearer(header: string | undefined): KeyToken | undefined {
  const match = /^[Bb]earer +ts_live_([0-9a-f]{12})_([0-9a-f]{48})$/.exec(header ?? '');
  return match ? { id: match[1], secret: match[2] } : undefined;
}

/** SHA-256 is enough: the secret is random, there is nothing to guess. */
export const hashSecret = (secret: string): Buffer => hash('sha256', secret, 'buffer');

export const isSameHash = (a: Buffer, b: Buffer) => a.length === b.length && timingSafeEqual(a, b);
