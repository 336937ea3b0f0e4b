import { Inject, Injectable } from '@nestjs/common';
import { modelProblem, type Picture } from '@touchstone/files';
import type { EmbeddingModel, Models } from '@touchstone/models';
import type { Space } from '../collection/collection.entity.ts';
import { modelDiffers } from '../collection/collection.errors.ts';
import { MODELS } from '../models.ts';
import type { ItemPart } from './item-parts.ts';

/** A part whose content the platform embeds, with what it says. */
export interface EmbeddablePart {
  readonly space: string;
  readonly modelVersion: string;
  readonly contentHash: string;
  readonly content: { readonly text: string } | { readonly picture: Picture; /** JSON pointer to it in the request. */ readonly pointer: string };
}

/** Finds the vector of a part by what it was made of. */
export type Embedded = (part: Pick<ItemPart, 'space' | 'modelVersion' | 'contentHash'>) => Float32Array | undefined;

/** Makes vectors of texts and pictures, in the model that a collection's space belongs to. */
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
    const pictures = [...distinct].flatMap(([key, part]) => ('picture' in part.content ? [{ key, ...part, ...part.content }] : []));
    const texts = [...distinct].flatMap(([key, part]) => ('text' in part.content ? [{ key, ...part, ...part.content }] : []));

    // Pictures first: they are what may be refused.
    for (const [space, group] of bySpace(pictures)) {
      const made = await this.embedImages(space, group.map(({ picture }) => picture.file), (position) => `${group[position].pointer}/${group[position].picture.source}`, signal);
      group.forEach(({ key }, position) => vectors.set(key, made[position]));
    }
    for (const [space, group] of bySpace(texts)) {
      const made = await this.embedTexts(space, group.map(({ text }) => text), signal);
      group.forEach(({ key }, position) => vectors.set(key, made[position]));
    }
    return (part) => vectors.get(keyOf(part));
  }

  async embedTexts(space: SpaceVersion, texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]> {
    return this.embed(space, this.models.texts, texts, signal, String);
  }

  /** @param pointerOf JSON pointer of the picture at a position of `images`. */
  async embedImages(
    space: SpaceVersion,
    images: readonly Uint8Array[],
    pointerOf: (position: number) => string,
    signal: AbortSignal,
  ): Promise<Float32Array[]> {
    return this.embed(space, this.models.images, images, signal, pointerOf);
  }

  private async embed<Input>(
    space: SpaceVersion,
    models: readonly EmbeddingModel<Input>[],
    inputs: readonly Input[],
    signal: AbortSignal,
    pointerOf: (position: number) => string,
  ): Promise<Float32Array[]> {
    const model = models.find(({ version }) => version === space.modelVersion);
    if (!model) throw modelDiffers(space.name, space.modelVersion, models.map(({ version }) => version));
    try {
      return await model.embed(inputs, { signal });
    } catch (error) {
      throw modelProblem(error, pointerOf);
    }
  }
}

/** A space in one version of its model. */
type SpaceVersion = Pick<Space, 'name' | 'modelVersion'>;

const keyOf = ({ space, modelVersion, contentHash }: Pick<ItemPart, 'space' | 'modelVersion' | 'contentHash'>) => `${space} ${contentHash} ${modelVersion}`;

function bySpace<Part extends { readonly space: string; readonly modelVersion: string }>(parts: readonly Part[]): [SpaceVersion, Part[]][] {
  const groups = Map.groupBy(parts, ({ space, modelVersion }) => `${space} ${modelVersion}`);
  return [...groups.values()].map((group) => [{ name: group[0].space, modelVersion: group[0].modelVersion }, group]);
}
