import type { ByteRange } from './blob-store.ts';
import { rangeNotSatisfiable } from './blob.errors.ts';

/**
 * The bytes that a `Range` header asks for (RFC 9110, section 14).
 *
 * @returns undefined for all of them: without a header, and for units and lists of ranges that we may ignore.
 * @throws Problem range-not-satisfiable when it begins behind the end.
 */
export function byteRange(header: string | undefined, bytes: number): ByteRange | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (first === undefined || (first === '' && last === '')) return undefined;
  if (first === '') {
    if (Number(last) === 0) throw rangeNotSatisfiable(bytes);
    return { start: Math.max(0, bytes - Number(last)), end: bytes - 1 };
  }
  if (last !== '' && Number(last) < Number(first)) return undefined;
  if (Number(first) >= bytes) throw rangeNotSatisfiable(bytes);
  return { start: Number(first), end: last === '' ? bytes - 1 : Math.min(Number(last), bytes - 1) };
}
