import { TritonClient } from '@touchstone/triton-client';

import type { EmbeddingModel, TextEmbeddingModel } from './embedding-model.ts';
import { readManifest, versionOf, type ModelEntry, type Overlay } from './manifest.ts';
import type { PerceptualHash } from './perceptual-hash.ts';
import { PictureProcesses, type PictureLimits } from './picture-processes.ts';
import { TritonImageEmbedding } from './triton-image-embedding.ts';
import { TritonTextEmbedding } from './triton-text-embedding.ts';
import { TritonVisionEncoder } from './triton-vision-encoder.ts';
import type { VisionEncoder } from './vision-encoder.ts';

export interface ModelsOptions {
  /** Where model-server or Triton listens: `unix:/path` or `host:port`. */
  url: string;
  /** Folder of one overlay as `touchstone models pull` lays it, for example `.touchstone/models/laptop`. It may not exist yet. */
  repository: string;
  /** Entry of `model-repository/manifest.json` that names weights and dimensions. Default `laptop`. */
  overlay?: string;
  /** Another manifest than the repository's. */
  manifest?: string;
  /** Deadline of one request to the server. Default 60 s. */
  timeoutMs?: number;
  pictures?: Partial<PictureLimits>;
}

export interface ModelReadiness {
  name: string;
  version: string;
  /** What it makes of its input. */
  role: 'embedding' | 'encoder';
  /** Another version beside that of new collections; nobody waits for it. */
  isOptional: boolean;
  isReady: boolean;
  /** Why it is not ready, in words; absent when it is. */
  reason?: string;
}

export interface Models {
  readonly text: TextEmbeddingModel;
  /** Takes the bytes of a picture file: JPEG, PNG, WebP, GIF, TIFF or AVIF. */
  readonly image: EmbeddingModel<Uint8Array>;
  /** All versions, `text` first. The weights of the others are there only when somebody pulled them. */
  readonly texts: readonly TextEmbeddingModel[];
  /** All versions, `image` first. */
  readonly images: readonly EmbeddingModel<Uint8Array>[];
  /** A model of texts and one of pictures whose vectors share one space; absent where the manifest has none. */
  readonly joint?: { readonly text: TextEmbeddingModel; readonly image: EmbeddingModel<Uint8Array> };
  /** Turns pictures into visual tokens; absent where the manifest has none. */
  readonly encoder?: VisionEncoder;
  /** PDQ of picture files; needs no server. @throws PictureRefused for one that is no picture we take. */
  perceptualHashes(pictures: readonly Uint8Array[], options?: { signal?: AbortSignal }): Promise<PerceptualHash[]>;
  /** Asks the server; never throws for a server or a model that is absent. */
  ready(options?: { signal?: AbortSignal }): Promise<ModelReadiness[]>;
  close(): Promise<void>;
}

/**
 * The models that a service calls. Weights and server may be absent: `embed` then throws `ModelNotReady`, and works
 * as soon as they are there, without a new call of this function.
 */
export function connectModels({ url, repository, overlay = 'laptop', manifest, timeoutMs = 60_000, pictures }: ModelsOptions): Models {
  const entries = readManifest(overlay, manifest);
  const triton = new TritonClient(url, { timeoutMs });
  const pictureProcesses = new PictureProcesses(pictures);

  const textModel = (name: string) => new TritonTextEmbedding(triton, name, entries[name], repository);
  const imageModel = (name: string) => new TritonImageEmbedding(triton, name, entries[name], pictureProcesses);
  const texts = namesOf(entries, 'text').map(textModel);
  const images = namesOf(entries, 'image').map(imageModel);
  const jointName = (input: ModelEntry['input']) => Object.keys(entries).find((name) => entries[name].isJoint && entries[name].input === input);
  const encoderName = Object.keys(entries).find((name) => entries[name].encoder && !entries[name].isOptional);
  const [jointText, jointImage] = [jointName('text'), jointName('image')];

  return {
    text: texts[0],
    image: images[0],
    texts,
    images,
    ...(jointText && jointImage ? { joint: { text: textModel(jointText), image: imageModel(jointImage) } } : {}),
    ...(encoderName ? { encoder: new TritonVisionEncoder(triton, encoderName, entries[encoderName], pictureProcesses) } : {}),
    perceptualHashes: (files, options) => Promise.all(files.map((bytes, index) => pictureProcesses.hash(bytes, index, options?.signal))),
    ready: (options) => readiness(triton, entries, options?.signal),
    async close() {
      triton.close();
      await pictureProcesses.close();
    },
  };
}

/** The embedding models of one kind, that of new collections first. */
function namesOf(entries: Overlay, input: ModelEntry['input']): string[] {
  const [first, ...others] = Object.keys(entries).filter((name) => entries[name].input === input && !entries[name].isJoint && !entries[name].encoder).sort((a, b) => Number(entries[a].isOptional) - Number(entries[b].isOptional));
  if (first === undefined || entries[first].isOptional) throw new Error(`the manifest has no ${input} model for new collections`);
  return [first, ...others];
}

async function readiness(triton: TritonClient, entries: Overlay, signal?: AbortSignal): Promise<ModelReadiness[]> {
  const states = await triton.repositoryIndex({ timeoutMs: 2_000, signal }).catch((error: Error) => {
    if (signal?.aborted) throw error;
    return error;
  });
  return Object.entries(entries).map(([name, entry]) => {
    const model = { name, version: versionOf(entry), role: entry.encoder ? 'encoder' : 'embedding', isOptional: entry.isOptional } as const;
    if (states instanceof Error) return { ...model, isReady: false, reason: `no answer from the model server: ${states.message}` };
    const found = states.find((state) => state.name === name);
    if (found?.state === 'READY') return { ...model, isReady: true };
    return { ...model, isReady: false, reason: found?.reason || `the model server does not have it; run: touchstone models pull${entry.isOptional ? ` ${name}` : ''}` };
  });
}
