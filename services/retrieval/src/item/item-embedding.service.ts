import { Inject, Injectable } from '@nestjs/common';
import { modelProblem } from '@touchstone/files';
import type { EmbeddingModel, Models } from '@touchstone/models';
import type { Space } from '../collection/collection.entity.ts';
import { modelDiffers } from '../collection/collection.errors.ts';
import { MODELS } from '../models.ts';
import type { ItemPart } from './item-parts.ts';

/** What is embedded: a text, a picture, or a note of both. */
export interface Content {
  /** Empty when there is none. */
  readonly text: string;
  readonly pictures: readonly ContentPicture[];
}

export interface ContentPicture {
  readonly file: Uint8Array;
  /** JSON pointer to it in the request. */
  readonly pointer: string;
}

/** A part whose content the platform embeds, with what it says. */
export interface EmbeddablePart {
  readonly space: string;
  readonly modelVersion: string;
  readonly contentHash: string;
  readonly content: Content;
}

/** Finds the vector of a part by what it was made of. */
export type Embedded = (part: Pick<ItemPart, 'space' | 'modelVersion' | 'contentHash'>) => Float32Array | undefined;

/** Makes vectors of texts, pictures and notes, in the model that a collection's space belongs to. */
@Injectable()
export class ItemEmbedding {
  constructor(@Inject(MODELS) private readonly models: Models) {}

  /**
   * Vectors of all parts; what comes twice is embedded once.
   *
   * @throws Problem picture-refused, model-not-ready or model-differs; nothing is embedded halfway.
   */
  async embedParts(parts: readonly EmbeddablePart[], signal: AbortSignal): Promise<Embedded> {
    const distinct = new Map(parts.map((part) => [keyOf(part), part]));
    const vectors = new Map<string, Float32Array>();
    // Pictures first: they are what may be refused.
    const groups = [...Map.groupBy(distinct, ([, { space, modelVersion }]) => `${space} ${modelVersion}`).values()];
    const hasPictures = (group: (typeof groups)[number]) => group.some(([, { content }]) => content.pictures.length > 0);
    for (const group of groups.sort((a, b) => Number(hasPictures(b)) - Number(hasPictures(a)))) {
      const [[, { space: name, modelVersion }]] = group;
      const made = await this.embed({ name, modelVersion }, group.map(([, { content }]) => content), signal);
      group.forEach(([key], position) => vectors.set(key, made[position]));
    }
    return (part) => vectors.get(keyOf(part));
  }

  /**
   * One vector for each content, which must be something that the space's model takes.
   *
   * @throws Problem picture-refused with the picture's pointer, model-not-ready or model-differs.
   */
  async embed(space: SpaceVersion, contents: readonly Content[], signal: AbortSignal): Promise<Float32Array[]> {
    try {
      return await this.call(space, contents, signal);
    } catch (error) {
      throw modelProblem(error, (position) => contents.flatMap(({ pictures }) => pictures)[position].pointer);
    }
  }

  private call(space: SpaceVersion, contents: readonly Content[], signal: AbortSignal): Promise<Float32Array[]> {
    const { texts, images, joints } = this.models;
    if (space.name === 'text') return inVersion(space, texts).embed(contents.map(({ text }) => text), { signal });
    if (space.name === 'image') return inVersion(space, images).embed(contents.map(({ pictures: [{ file }] }) => file), { signal });
    return inVersion(space, joints).embed(contents.map(({ text, pictures }) => ({ text, pictures: pictures.map(({ file }) => file) })), { signal });
  }
}

/** A space in one version of its model. */
type SpaceVersion = Pick<Space, 'name' | 'modelVersion'>;

const keyOf = ({ space, modelVersion, contentHash }: Pick<ItemPart, 'space' | 'modelVersion' | 'contentHash'>) => `${space} ${contentHash} ${modelVersion}`;

function inVersion<Input>({ name, modelVersion }: SpaceVersion, models: readonly EmbeddingModel<Input>[]): EmbeddingModel<Input> {
  const model = models.find(({ version }) => version === modelVersion);
  if (!model) throw modelDiffers(name, modelVersion, models.map(({ version }) => version));
  return model;
}
