import { createHash } from 'node:crypto';

/** What a caller gives of an item, pictures by their hash. */
export interface ItemContent {
  readonly title: string;
  readonly body: string;
  readonly imageHashes: readonly string[];
  readonly attributes: object;
  /** Of vectors that the caller brings; none when they are made here. */
  readonly vectorHashes?: readonly string[];
}

/** SHA-256 in hexadecimal; equal content gives equal hashes whatever the order of its attributes' names. */
export function contentHash({ title, body, imageHashes, attributes, vectorHashes = [] }: ItemContent): string {
  return sha256(JSON.stringify([title, body, imageHashes, sorted(attributes), ...vectorHashes]));
}

export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, inner]) => [name, sorted(inner)]));
}
