import { type Kind, kinds as allKinds } from '../index/vector-index.ts';
import { isOwnSpace, type Space } from '../collection/spaces.ts';
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
  readonly content: { readonly vector: Float32Array } | PartContent;
}

/** What is embedded: a text, a picture, or a note of both. */
export interface PartContent {
  /** Empty when there is none. */
  readonly text: string;
  /** Which of the item's pictures. */
  readonly images: readonly number[];
}

/** Texts joined by newlines, blank ones left out. */
export const joinedText = (texts: readonly string[]): string => texts.filter((text) => text.trim() !== '').join('\n');

/**
 * The parts that an item has in the spaces of its collection: title and body as `text`, each picture as `image`, the text in
 * each picture as `ocr`, all of its texts as `note`, in a joint space with its pictures. An item of one thing is found as a
 * note by it.
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

function partsIn(space: Space, item: SearchableItem): ItemPart[] {
  const { name, modelVersion } = space;
  const brought = item.vectors
    .filter(({ space }) => space === name)
    .map(({ kind, part, vector }): Candidate => ({ kind, part, content: { vector }, contentHash: sha256(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)) }));
  const made = madeIn(space, item).filter(({ kind, part }) => !brought.some((own) => own.kind === kind && own.part === part));
  const candidates = [...brought, ...made].sort((a, b) => allKinds.indexOf(a.kind) - allKinds.indexOf(b.kind) || a.part - b.part);

  const parts = candidates.filter(({ kind }) => kind !== 'note').map(({ kind, ...rest }) => ({ space: name, modelVersion, kinds: [kind], ...rest }));
  const note = candidates.find(({ kind }) => kind === 'note');
  // Without a note of its own the text is the note, or whatever is all there is.
  const standsForNote = ({ kinds }: (typeof parts)[number]) => hasNotes(space) && (kinds[0] === 'text' || parts.length === 1);
  const same = parts.find((part) => (note ? part.contentHash === note.contentHash : standsForNote(part)));
  if (same) same.kinds.push('note');
  else if (note) parts.push({ space: name, modelVersion, ...note, kinds: ['note'] });
  return parts.map(({ space, kinds, part, contentHash, content }) => ({ space, modelVersion, kinds, part, contentHash, content }));
}

/** What the space's model embeds of an item. A note is something of its own when there is more than the text. */
function madeIn(space: Space, { title, body, images }: SearchableItem): Candidate[] {
  if (isOwnSpace(space)) return [];
  const hasTexts = space.kinds.includes('text');
  const ocrTexts = images.map(({ ocrText }) => (hasTexts ? ocrText : ''));
  const shown = space.kinds.includes('image') ? [...images.keys()] : [];
  const candidate = (kind: Kind, part: number, content: PartContent): Candidate => ({ kind, part, content, contentHash: hashOf(content, images) });

  const text = hasTexts ? joinedText([title, body]) : '';
  const beside = [
    ...ocrTexts.flatMap((ocrText, part) => (ocrText.trim() === '' ? [] : [candidate('ocr', part, { text: ocrText, images: [] })])),
    ...shown.map((part) => candidate('image', part, { text: '', images: [part] })),
  ];
  return [
    ...(text === '' ? [] : [candidate('text', 0, { text, images: [] })]),
    ...beside,
    ...(hasNotes(space) && beside.length > 0 ? [candidate('note', 0, { text: joinedText([title, body, ...ocrTexts]), images: shown })] : []),
  ];
}

const hasNotes = (space: Space): boolean => !isOwnSpace(space) && space.kinds.includes('note');

function hashOf({ text, images }: PartContent, pictures: SearchableItem['images']): string {
  if (images.length === 0) return sha256(text);
  const hashes = images.map((image) => pictures[image].sha256);
  return text === '' && hashes.length === 1 ? hashes[0] : sha256(JSON.stringify([text, ...hashes]));
}
