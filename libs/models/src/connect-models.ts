import { TritonClient } from '@touchstone/triton-client';

import type { EmbeddingModel, TextEmbeddingModel } from './embedding-model.ts';
import { readManifest, versionOf, type ModelEntry } from './manifest.ts';
import { PictureProcesses, type PictureLimits } from './picture-processes.ts';
import { TritonImageEmbedding } from './triton-image-embedding.ts';
import { TritonTextEmbedding } from './triton-text-embedding.ts';

export interface ModelsOptions {
  /** Where model-server or Triton listens: `unix:/path` or `host:port`. */
  url: string;
  /** Folder of one overlay as `touchstone models pull` lays it, for example `.touchstone/models/laptop`. It may not exist yet. */
  repository: string;
  /** Entry of `model-repository/manifest.json` that names weights and dimensions. Default `laptop`. */
  overlay?: string;
  /** Deadline of one request to the server. Default 60 s. */
  timeoutMs?: number;
  pictures?: Partial<PictureLimits>;
}

export interface ModelReadiness {
  name: string;
  version: string;
  isReady: boolean;
  /** Why it is not ready, in words; absent when it is. */
  reason?: string;
}

export interface Models {
  readonly text: TextEmbeddingModel;
  /** Takes the bytes of a picture file: JPEG, PNG, WebP, GIF, TIFF or AVIF. */
  readonly image: EmbeddingModel<Uint8Array>;
  /** Asks the server; never throws for a server or a model that is absent. */
  ready(options?: { signal?: AbortSignal }): Promise<ModelReadiness[]>;
  close(): Promise<void>;
}

/**
 * The models that a service calls. Weights and server may be absent: `embed` then throws `ModelNotReady`, and works
 * as soon as they are there, without a new call of this function.
 */
export function connectModels({ url, repository, overlay = 'laptop', timeoutMs = 60_000, pictures }: ModelsOptions): Models {
  const entries = readManifest(overlay);
  const triton = new TritonClient(url, { timeoutMs });
  const pictureProcesses = new PictureProcesses(pictures);

  return {
    text: new TritonTextEmbedding(triton, entryOf(entries, 'embed-text'), repository),
    image: new TritonImageEmbedding(triton, entryOf(entries, 'embed-image'), pictureProcesses),
    ready: (options) => readiness(triton, entries, options?.signal),
    async close() {
      triton.close();
      await pictureProcesses.close();
    },
  };
}

function entryOf(entries: Readonly<Record<string, ModelEntry>>, name: string): ModelEntry {
  const entry = entries[name];
  if (entry === undefined) throw new Error(`the manifest has no model ${name}`);
  return entry;
}

async function readiness(triton: TritonClient, entries: Readonly<Record<string, ModelEntry>>, signal?: AbortSignal): Promise<ModelReadiness[]> {
  const states = await triton.repositoryIndex({ timeoutMs: 2_000, signal }).catch((error: Error) => {
    if (signal?.aborted) throw error;
    return error;
  });
  return Object.entries(entries).map(([name, entry]) => {
    const version = versionOf(entry);
    if (states instanceof Error) return { name, version, isReady: false, reason: `no answer from the model server: ${states.message}` };
    const found = states.find((model) => model.name === name);
    if (found?.state === 'READY') return { name, version, isReady: true };
    return { name, version, isReady: false, reason: found?.reason || 'the model server does not have it; run: touchstone models pull' };
  });
}
