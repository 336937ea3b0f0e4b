import { TritonClient } from '@touchstone/triton-client';

import type { EmbeddingModel, JointEmbeddingModel, TextEmbeddingModel } from './embedding-model.ts';
import type { HeatMap } from './heat-map.ts';
import { JointPair } from './joint-pair.ts';
import { isPinned, readManifest, versionOf, type ModelEntry, type Overlay } from './manifest.ts';
import type { PerceptualHash } from './perceptual-hash.ts';
import { type Drawing, PictureProcesses, type PictureLimits } from './picture-processes.ts';
import { TritonImageEmbedding } from './triton-image-embedding.ts';
import { TritonNoteEmbedding } from './triton-note-embedding.ts';
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
  /** Models of texts, pictures and notes in one space, in the manifest's order; new collections take the first that is pinned. */
  readonly joints: readonly JointEmbeddingModel[];
  /** Turns pictures into visual tokens; absent where the manifest has none. */
  readonly encoder?: VisionEncoder;
  /** PDQ of picture files; needs no server. @throws PictureRefused for one that is no picture we take. */
  perceptualHashes(pictures: readonly Uint8Array[], options?: { signal?: AbortSignal }): Promise<PerceptualHash[]>;
  /** Lays a heat map over a picture file; needs no server. @throws PictureRefused for one that is no picture we take. */
  drawHeatMap(picture: Uint8Array, map: HeatMap, options?: { signal?: AbortSignal }): Promise<Drawing>;
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
  const encoderName = Object.keys(entries).find((name) => entries[name].encoder && !entries[name].isOptional);
  const joints = partsOfJoints(entries).map(({ name, text, image, note }): JointEmbeddingModel => {
    if (note) return new TritonNoteEmbedding(triton, name, entries[note], repository, pictureProcesses);
    return new JointPair(name, textModel(text!), imageModel(image!), [text!, image!].every((part) => isPinned(entries[part])));
  });

  return {
    text: texts[0],
    image: images[0],
    texts,
    images,
    joints,
    ...(encoderName ? { encoder: new TritonVisionEncoder(triton, encoderName, entries[encoderName], pictureProcesses) } : {}),
    perceptualHashes: (files, options) => Promise.all(files.map((bytes, index) => pictureProcesses.hash(bytes, index, options?.signal))),
    drawHeatMap: (picture, map, options) => pictureProcesses.draw(picture, map, 0, options?.signal),
    ready: (options) => readiness(triton, entries, joints, options?.signal),
    async close() {
      triton.close();
      await pictureProcesses.close();
    },
  };
}

/** The embedding models of one kind, that of new collections first. */
function namesOf(entries: Overlay, input: ModelEntry['input']): string[] {
  const [first, ...others] = Object.keys(entries).filter((name) => entries[name].input === input && !entries[name].joint && !entries[name].encoder).sort((a, b) => Number(entries[a].isOptional) - Number(entries[b].isOptional));
  if (first === undefined || entries[first].isOptional) throw new Error(`the manifest has no ${input} model for new collections`);
  return [first, ...others];
}

interface JointParts {
  readonly name: string;
  readonly text?: string;
  readonly image?: string;
  /** Alone; it has the joint model's name. */
  readonly note?: string;
}

/** @throws Error for a joint model that is neither a pair nor a model of notes. */
function partsOfJoints(entries: Overlay): JointParts[] {
  const groups = Map.groupBy(Object.keys(entries).filter((part) => entries[part].joint), (part) => entries[part].joint!);
  return [...groups].map(([name, parts]) => {
    const [text, image, note] = (['text', 'image', 'note'] as const).map((input) => parts.find((part) => entries[part].input === input));
    if (note === name && parts.length === 1) return { name, note };
    if (text && image && parts.length === 2) return { name, text, image };
    throw new Error(`the manifest's joint model ${name} needs one model of texts and one of pictures, or one of notes of its own name, and has ${parts.join(', ')}`);
  });
}

/** Of each model; a joint one is ready when its parts are. */
async function readiness(triton: TritonClient, entries: Overlay, joints: readonly JointEmbeddingModel[], signal?: AbortSignal): Promise<ModelReadiness[]> {
  const states = await triton.repositoryIndex({ timeoutMs: 2_000, signal }).catch((error: Error) => {
    if (signal?.aborted) throw error;
    return error;
  });
  const reasonOf = (part: string, pulled: string): string | undefined => {
    if (states instanceof Error) return `no answer from the model server: ${states.message}`;
    const found = states.find((state) => state.name === part);
    return found?.state === 'READY' ? undefined : found?.reason || `the model server does not have it; run: touchstone models pull${pulled}`;
  };
  const stateOf = (reason: string | undefined) => ({ isReady: reason === undefined, ...(reason === undefined ? {} : { reason }) });
  const alone = Object.entries(entries).filter(([, { joint }]) => joint === undefined);
  return [
    ...alone.map(([name, entry]) => ({ name, version: versionOf(entry), role: entry.encoder ? ('encoder' as const) : ('embedding' as const), isOptional: entry.isOptional, ...stateOf(reasonOf(name, entry.isOptional ? ` ${name}` : '')) })),
    ...joints.map(({ name, version }) => {
      const reasons = Object.keys(entries).filter((part) => entries[part].joint === name).map((part) => reasonOf(part, ` ${name}`));
      return { name, version, role: 'embedding' as const, isOptional: true, ...stateOf(reasons.find((reason) => reason !== undefined)) };
    }),
  ];
}
