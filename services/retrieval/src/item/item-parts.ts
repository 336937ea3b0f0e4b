import { type Kind, kinds as allKinds } from '../index/vector-index.ts';
import type { Space } from '../collection/spaces.ts';
import { keptVersions } from '../collection/versions.ts';
import { sha256 } from './content-hash.ts';
import type { OwnVector } from './own-vectors.ts';

/** What of an item is searched for. */
export interface SearchableItem {
  readonly title: string;
  readonly body: string;
  readonly images: readonly { readonly sha256: string; readonly ocrText: string }[];
  /** Vectors of the caller's own: what has one is not embedded. */
  readonly vectors: readonly OwnVector[];
}

/** A part of an item before it is embedded. */
export interface ItemPart {
  readonly space: string;
  readonly modelVersion: string;
  /** Several when they say the same, so that no two vectors are equal. */
  readonly kinds: readonly Kind[];
  /** Which of the item's pictures, or 0. */
  readonly part: number;
  /** SHA-256 of what is embedded, or of the vector that the caller brings; hexadecimal. */
  readonly contentHash: string;
  readonly content: { readonly vector: Float32Array } | { readonly text: string } | { readonly image: number };
}

/** Texts joined by newlines, blank ones left out. */
export const joinedText = (texts: readonly string[]): string => texts.filter((text) => text.trim() !== '').join('\n');

/**
 * The parts that an item has in the spaces of its collection: title and body as `text`, each picture as `image`, the text in
 * each picture as `ocr`, all of its texts as `note`. An item that has no OCR text is found as a note by its text.
 * In every version of a space's model that the collection keeps; a vector that the caller brings is of the active one.
 */
export function itemParts(item: SearchableItem, spaces: readonly Space[]): ItemPart[] {
  return spaces.flatMap((space) => {
    const [active, ...others] = keptVersions(space);
    return [...partsIn(active, item), ...others.flatMap((other) => partsIn(other, { ...item, vectors: [] }))];
  });
}

interface Candidate {
  readonly kind: Kind;
  readonly part: number;
  readonly content: ItemPart['content'];
  readonly contentHash: string;
}

function partsIn({ name, modelVersion }: Space, item: SearchableItem): ItemPart[] {
  const brought = item.vectors
    .filter(({ space }) => space === name)
    .map(({ kind, part, vector }): Candidate => ({ kind, part, content: { vector }, contentHash: sha256(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)) }));
  const made = (name === 'text' ? texts(item) : name === 'image' ? pictures(item) : []).filter(
    ({ kind, part }) => !brought.some((own) => own.kind === kind && own.part === part),
  );
  const candidates = [...brought, ...made].sort((a, b) => allKinds.indexOf(a.kind) - allKinds.indexOf(b.kind) || a.part - b.part);

  const parts = candidates.filter(({ kind }) => kind !== 'note').map(({ kind, ...rest }) => ({ space: name, modelVersion, kinds: [kind], ...rest }));
  const note = candidates.find(({ kind }) => kind === 'note');
  const isTextNote = name === 'text' && !note && candidates.every(({ kind }) => kind === 'text');
  const same = parts.find(({ contentHash }) => isTextNote || contentHash === note?.contentHash);
  if (same) same.kinds.push('note');
  else if (note) parts.push({ space: name, modelVersion, ...note, kinds: ['note'] });
  return parts.map(({ space, kinds, part, contentHash, content }) => ({ space, modelVersion, kinds, part, contentHash, content }));
}

function texts({ title, body, images }: SearchableItem): Candidate[] {
  const ocr = images.flatMap(({ ocrText }, part) => (ocrText.trim() === '' ? [] : [textCandidate('ocr', part, ocrText)]));
  const text = joinedText([title, body]);
  return [
    ...(text === '' ? [] : [textCandidate('text', 0, text)]),
    ...ocr,
    ...(ocr.length === 0 ? [] : [textCandidate('note', 0, joinedText([title, body, ...images.map(({ ocrText }) => ocrText)]))]),
  ];
}

const textCandidate = (kind: Kind, part: number, text: string): Candidate => ({ kind, part, content: { text }, contentHash: sha256(text) });

const pictures = ({ images }: SearchableItem): Candidate[] =>
  images.map(({ sha256: contentHash }, image) => ({ kind: 'image', part: image, content: { image }, contentHash }));
