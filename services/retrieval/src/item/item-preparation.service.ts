import { Injectable } from '@nestjs/common';
import { foreignContent, pictureIsMore } from '@touchstone/files';
import { Database } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';
import { Collection, type Space } from '../collection/collection.entity.ts';
import { collectionNotFound } from '../collection/collection.errors.ts';
import { indexKey, keptVersions } from '../collection/versions.ts';
import { contentHash, sha256 } from './content-hash.ts';
import { type ItemContent, itemFields } from './item-content.ts';
import { type EmbeddablePart, ItemEmbedding } from './item-embedding.service.ts';
import { attributeReserved, attributesTooLarge, duplicateId, nothingToFind, refuseTooManyPictures } from './item.errors.ts';
import { type ItemPart, itemParts } from './item-parts.ts';
import { StoredItems, type StoredPart, type StoredPicture } from './stored-items.service.ts';

const maximumAttributeBytes = 16_384;

/** Items that are to be stored: those that differ from what is there, embedded, and how many do not. */
export interface PreparedWrite {
  readonly changed: readonly PreparedItem[];
  readonly unchanged: number;
  /** In which they are embedded, as the index names them. */
  readonly versions: readonly string[];
  /** Of the collection before the write. */
  readonly position: number;
}

/** An item that is to be stored, with all that is derived from it. */
export interface PreparedItem {
  readonly content: ItemContent;
  readonly hash: string;
  readonly images: readonly StoredPicture[];
  readonly parts: readonly StoredPart[];
  /** JSON pointer of the item in the request. */
  readonly pointer: string;
}

/** An item before it is embedded. */
interface Draft {
  readonly content: ItemContent;
  readonly hash: string;
  readonly images: readonly StoredPicture[];
  readonly parts: readonly ItemPart[];
  /** JSON pointer of the item in the request. */
  readonly pointer: string;
}

/** The first half of a write, which may take seconds: finds what changed and embeds it. */
@Injectable()
export class ItemPreparation {
  constructor(
    private readonly database: Database,
    private readonly stored: StoredItems,
    private readonly embedding: ItemEmbedding,
  ) {}

  /**
   * A part whose content has a vector already keeps it: only what changed is embedded.
   *
   * @throws Problem that points to the first item that cannot be taken, `/items/<index>…`.
   */
  async prepare(tenant: Tenant, name: string, contents: readonly ItemContent[], signal: AbortSignal): Promise<PreparedWrite> {
    refuseWrongBatch(contents);
    const { collection, hashes } = await this.database.transaction(tenant, async (transaction) => {
      const collection = await transaction.findOneBy(Collection, { tenantId: tenant.id, name });
      if (!collection) throw collectionNotFound(name);
      return { collection, hashes: await this.stored.hashes(transaction, tenant, name, contents.map(({ id }) => id)) };
    });
    const drafts = contents.map((content, index) => draft(content, `/items/${index}`, collection.spaces)).filter(({ content, hash }) => hashes.get(content.id) !== hash);
    const known = await this.knownVectors(tenant, name, drafts.filter(({ content }) => hashes.has(content.id)));
    const embedded = await this.embedding.embedParts(drafts.flatMap((item) => embeddableParts(item).filter((part) => !known(item, part))), signal);

    const changed = drafts.map((item): PreparedItem => {
      const parts = item.parts.map(({ content, ...part }): StoredPart => {
        if ('vector' in content) return { ...part, isOwn: true, vector: content.vector };
        return { ...part, isOwn: false, vector: known(item, part) ?? embedded(part)! };
      });
      return { content: item.content, hash: item.hash, images: item.images, parts, pointer: item.pointer };
    });
    return { changed, unchanged: contents.length - changed.length, versions: collection.spaces.flatMap(keptVersions).map(indexKey), position: collection.position };
  }

  /** Vectors that items have already, by what they were made of. */
  private async knownVectors(tenant: Tenant, name: string, drafts: readonly Draft[]): Promise<(item: Draft, part: PartKey) => Float32Array | undefined> {
    if (drafts.length === 0) return () => undefined;
    const wanted = drafts.flatMap((item) => embeddableParts(item).map(({ contentHash }) => contentHash));
    const ids = drafts.map(({ content }) => content.id);
    const vectors = await this.database.transaction(tenant, (transaction) => this.stored.vectors(transaction, tenant, name, ids, wanted));
    const known = new Map(vectors.map(({ itemId, vector, ...part }) => [keyOf(itemId, part), vector]));
    return (item, part) => known.get(keyOf(item.content.id, part));
  }
}

type PartKey = Pick<ItemPart, 'space' | 'modelVersion' | 'contentHash'>;

const keyOf = (itemId: string, { space, modelVersion, contentHash }: PartKey) => `${itemId} ${space} ${contentHash} ${modelVersion}`;

function refuseWrongBatch(contents: readonly ItemContent[]): void {
  const seen = new Map<string, number>();
  contents.forEach(({ id, attributes }, index) => {
    const first = seen.get(id);
    if (first !== undefined) throw duplicateId(id, first, index);
    seen.set(id, index);
    const reserved = itemFields.find((field) => Object.hasOwn(attributes, field));
    if (reserved) throw attributeReserved(index, reserved);
    const bytes = Buffer.byteLength(JSON.stringify(attributes));
    if (bytes > maximumAttributeBytes) throw attributesTooLarge(index, bytes, maximumAttributeBytes);
  });
  refuseTooManyPictures(contents);
}

function draft(content: ItemContent, pointer: string, spaces: readonly Space[]): Draft {
  const images = content.images.map(({ file, ocrText, source }, part) => {
    const foreign = foreignContent(file);
    if (foreign) throw pictureIsMore(`${pointer}/images/${part}/${source}`, foreign);
    return { sha256: sha256(file), bytes: file.byteLength, ocrText, file };
  });
  const parts = itemParts({ ...content, images }, spaces);
  if (parts.length === 0) throw nothingToFind(pointer, spaces.map(({ name }) => name));
  const vectorHashes = parts.flatMap(({ space, kinds, part, content, contentHash }) => ('vector' in content ? [`${space} ${kinds.join('+')} ${part} ${contentHash}`] : []));
  return { content, hash: contentHash({ ...content, images, vectorHashes }), images, parts, pointer };
}

function embeddableParts({ content: { images }, parts, pointer }: Draft): EmbeddablePart[] {
  return parts.flatMap(({ space, modelVersion, contentHash, content }): EmbeddablePart[] => {
    if ('vector' in content) return [];
    const pictures = content.images.map((image) => ({ file: images[image].file, pointer: `${pointer}/images/${image}/${images[image].source}` }));
    return [{ space, modelVersion, contentHash, content: { text: content.text, pictures } }];
  });
}
