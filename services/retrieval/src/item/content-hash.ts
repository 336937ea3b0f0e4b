import { hash } from 'node:crypto';

/** What a caller gives of an item, pictures and vectors by their hashes. */
export interface HashedContent {
  readonly title: string;
  readonly body: string;
  readonly images: readonly { readonly sha256: string; readonly ocrText: string }[];
  readonly category: string;
  readonly author: string;
  /** Absent when the caller did not say. */
  readonly createdAt?: Date;
  readonly attributes: object;
  /** Of vectors that the caller brings, with what they stand for. */
  readonly vectorHashes: readonly string[];
}

/** SHA-256 in hexadecimal; equal content gives equal hashes whatever the order of its attributes' names. */
export function contentHash({ title, body, images, category, author, createdAt, attributes, vectorHashes }: HashedContent): string {
  const pictures = images.map(({ sha256, ocrText }) => [sha256, ocrText]);
  return sha256(JSON.stringify([title, body, pictures, category, author, createdAt?.getTime() ?? null, sorted(attributes), vectorHashes]));
}

export function sha256(content: string | Uint8Array): string {
  return hash('sha256', content, 'hex');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, inner]) => [name, sorted(inner)]));
}
