import { Inject, Injectable } from '@nestjs/common';
import { Problem, Reason } from '@touchstone/contracts';
import { type EmbeddingModel, ModelNotReady, type Models, PictureRefused } from '@touchstone/models';
import type { Space } from '../collection/collection.entity.ts';
import { modelDiffers } from '../collection/collection.errors.ts';
import { MODELS } from '../models.ts';
import type { Picture } from './pictures.service.ts';

export interface EmbeddableItem {
  readonly title: string;
  readonly body: string;
  readonly images: readonly Picture[];
  /** Vectors of the caller's own, of length 1: what has one is not embedded. */
  readonly vectors?: OwnVectors;
}

/** By space; of the text one, of pictures one for each part. */
export type OwnVectors = Readonly<Record<string, readonly Float32Array[]>>;

export interface PartVector {
  readonly space: string;
  readonly part: number;
  readonly modelVersion: string;
  readonly vector: Float32Array;
}

/** Makes vectors of texts and pictures, in the model that a collection's space belongs to. */
@Injectable()
export class ItemEmbedding {
  constructor(@Inject(MODELS) private readonly models: Models) {}

  /** The text by which an item is found; empty when it has none. */
  static textOf({ title, body }: EmbeddableItem): string {
    return [title, body].filter((text) => text.trim() !== '').join('\n');
  }

  /**
   * Vectors of all parts of all items, aligned with `items`.
   *
   * @param pointers JSON pointer of each item in the request, for refused pictures.
   * @throws Problem picture-refused, model-not-ready or model-differs; nothing is embedded halfway.
   */
  async embedItems(
    items: readonly EmbeddableItem[],
    pointers: readonly string[],
    spaces: readonly Space[],
    signal: AbortSignal,
  ): Promise<PartVector[][]> {
    const versionOf = (name: string) => spaces.find((space) => space.name === name)!.modelVersion;
    const parts: PartVector[][] = items.map(({ vectors = {} }) =>
      Object.entries(vectors).flatMap(([space, own]) => own.map((vector, part) => ({ space, part, modelVersion: versionOf(space), vector }))),
    );
    const textSpace = spaces.find(({ name }) => name === 'text');
    const imageSpace = spaces.find(({ name }) => name === 'image');

    const texts = items.flatMap((item, index) => (textSpace && !item.vectors?.text && ItemEmbedding.textOf(item) ? [{ index, text: ItemEmbedding.textOf(item) }] : []));
    const images = items.flatMap(({ images, vectors }, index) => (imageSpace && !vectors?.image ? images.map((image, part) => ({ index, part, image })) : []));

    // Pictures first: they are what may be refused.
    if (imageSpace && images.length > 0) {
      const vectors = await this.embedImages(imageSpace, images.map(({ image }) => image.file), (position) => {
        const { index, part, image } = images[position];
        return `${pointers[index]}/images/${part}/${image.source}`;
      }, signal);
      images.forEach(({ index, part }, position) =>
        parts[index].push({ space: 'image', part, modelVersion: imageSpace.modelVersion, vector: vectors[position] }),
      );
    }
    if (textSpace && texts.length > 0) {
      const vectors = await this.embedTexts(textSpace, texts.map(({ text }) => text), signal);
      texts.forEach(({ index }, position) =>
        parts[index].push({ space: 'text', part: 0, modelVersion: textSpace.modelVersion, vector: vectors[position] }),
      );
    }
    return parts;
  }

  async embedTexts(space: Space, texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]> {
    return this.embed(space, this.models.text, texts, signal);
  }

  /** @param pointerOf JSON pointer of the picture at a position of `images`. */
  async embedImages(
    space: Space,
    images: readonly Uint8Array[],
    pointerOf: (position: number) => string,
    signal: AbortSignal,
  ): Promise<Float32Array[]> {
    try {
      return await this.embed(space, this.models.image, images, signal);
    } catch (error) {
      if (!(error instanceof PictureRefused)) throw error;
      throw new Problem(
        {
          reason: Reason.PICTURE_REFUSED,
          detail: 'A picture cannot be used; nothing was written.',
          violations: [{ pointer: pointerOf(error.index), detail: error.detail }],
        },
        { cause: error },
      );
    }
  }

  private async embed<Input>(space: Space, model: EmbeddingModel<Input>, inputs: readonly Input[], signal: AbortSignal): Promise<Float32Array[]> {
    if (model.version !== space.modelVersion) throw modelDiffers(space.name, space.modelVersion, model.version);
    try {
      return await model.embed(inputs, { signal });
    } catch (error) {
      if (!(error instanceof ModelNotReady)) throw error;
      throw new Problem(
        { reason: Reason.MODEL_NOT_READY, detail: error.message, retryAfterSeconds: error.retryAfterSeconds },
        { cause: error },
      );
    }
  }
}
