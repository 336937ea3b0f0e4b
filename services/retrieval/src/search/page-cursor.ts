import { createHash } from 'node:crypto';
import { type Kind, kinds } from '../index/vector-index.ts';

/** The last hit of a page. */
export interface Place {
  /** Hits shown up to and with it. */
  readonly shown: number;
  readonly score: number;
  readonly id: string;
  readonly part: number;
  /** The first of its part's kinds. */
  readonly kind: Kind;
  /** What the query was embedded as, where it is one vector. */
  readonly embedded?: { readonly space: string; readonly vector: Float32Array };
}

/** Grows when what a cursor holds, or what a request means, changes. */
const version = 3;
const checkLength = 12;

/** What tells one request from another: whatever decides its ranking, as JSON of a fixed order. */
export type RequestIdentity = readonly unknown[];

/** A cursor that goes on after the place in the answers to this request, and in no others. */
export function writeCursor(place: Place, request: RequestIdentity): string {
  const { shown, score, id, part, kind, embedded } = place;
  const query = embedded ? [embedded.space, Buffer.from(embedded.vector.buffer, embedded.vector.byteOffset, embedded.vector.byteLength).toString('base64')] : [];
  const content = Buffer.from(JSON.stringify([shown, score, id, part, kinds.indexOf(kind), ...query]));
  return Buffer.concat([check(content, request), content]).toString('base64url');
}

/** @returns undefined for a cursor of another request or version, and for one that was altered or never given. */
export function readCursor(cursor: string, request: RequestIdentity): Place | undefined {
  const bytes = Buffer.from(cursor, 'base64url');
  const content = bytes.subarray(checkLength);
  if (content.length === 0 || !check(content, request).equals(bytes.subarray(0, checkLength))) return undefined;
  if (bytes.toString('base64url') !== cursor) return undefined;
  return placeOf(content.toString());
}

/** Believes nothing: the check can be made by anybody. */
function placeOf(content: string): Place | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(content);
  } catch {
    return undefined;
  }
  if (!Array.isArray(fields)) return undefined;
  const [shown, score, id, part, kind, space, vector] = fields as unknown[];
  if (!isCount(shown) || typeof score !== 'number' || typeof id !== 'string' || !isCount(part) || !isCount(kind) || !kinds[kind]) return undefined;
  const place = { shown, score, id, part, kind: kinds[kind] };
  if (fields.length === 5) return place;
  if (typeof space !== 'string' || typeof vector !== 'string') return undefined;
  const bytes = new Uint8Array(Buffer.from(vector, 'base64'));
  return bytes.length % 4 === 0 ? { ...place, embedded: { space, vector: new Float32Array(bytes.buffer) } } : undefined;
}

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 0;

/** Not a secret: who forges it reads only other places of their own answers. */
function check(content: Uint8Array, request: RequestIdentity): Buffer {
  return createHash('sha256').update(JSON.stringify([version, request])).update(content).digest().subarray(0, checkLength);
}
