import type { JsonObject } from '@bufbuild/protobuf';
import { Problem, Reason } from '@touchstone/contracts';
import { type OperationContext, OperationHandler } from '@touchstone/operations';
import type { Interval } from '@touchstone/statistics';
import { Collections } from '../collection/collections.service.ts';
import type { Space } from '../collection/spaces.ts';
import { indexKey, keptVersions } from '../collection/versions.ts';
import { type Content, ItemEmbedding } from '../item/item-embedding.service.ts';
import type { ItemPart, PartContent } from '../item/item-parts.ts';
import { CollectionViews } from '../search/collection-views.service.ts';
import { compareVersions, type RankingPair } from './comparison.ts';
import { versionWasDropped } from './model-version.errors.ts';
import { type BuiltPart, Shadow, type ShadowVersion, type UnbuiltItem } from './shadow.service.ts';

export const reindexKind = 'retrieval.reindex';

/** Items of a checkpoint. */
const batchItems = 64;
/** In memory at once. */
const batchPictures = 8;

export interface ReindexInput extends JsonObject {
  collection: string;
  space: string;
  modelVersion: string;
  /** With which the new one is compared. */
  activeVersion: string;
  sample: number;
  k: number;
  seed: number;
}

/** Items come in the order of their ids: those up to `after` are built. */
interface Checkpoint extends JsonObject {
  after: string;
  items: number;
  vectors: number;
  isComplete: boolean;
}

/** A part that is to be embedded. */
interface Job {
  readonly item: UnbuiltItem;
  readonly part: ItemPart;
  readonly text: string;
  /** SHA-256 of its pictures. */
  readonly pictures: readonly string[];
}

/**
 * Builds a version from the stored items. Writers embed in it too from before its first step, so what is written meanwhile
 * needs no second look: of an item that has changed since it was read the writer's vectors stay.
 */
@OperationHandler(reindexKind)
export class Reindex implements OperationHandler<JsonObject> {
  constructor(
    private readonly collections: Collections,
    private readonly shadow: Shadow,
    private readonly embedding: ItemEmbedding,
    private readonly views: CollectionViews,
  ) {}

  async run(context: OperationContext): Promise<JsonObject> {
    const { tenant, signal } = context;
    const input = context.input as ReindexInput;
    const version: ShadowVersion = { tenant, collection: input.collection, space: input.space, modelVersion: input.modelVersion, operationId: context.id };
    const space = await this.spaceOf(version);
    const total = await this.shadow.countItems(version);

    let state = (context.checkpoint as Checkpoint | undefined) ?? { after: '', items: 0, vectors: 0, isComplete: false };
    while (!state.isComplete) {
      signal.throwIfAborted();
      const items = await this.shadow.itemsAfter(version, space, state.after, batchItems);
      if (items.length === 0) {
        state = { ...state, isComplete: true };
        await context.save(state, (transaction) => this.shadow.complete(transaction, version));
        break;
      }
      const built = await this.build(version, items, signal);
      state = { ...state, after: items.at(-1)!.id, items: state.items + items.length, vectors: state.vectors + built.length };
      context.progress({ done: state.items, total: Math.max(total, state.items) });
      await context.save(state, (transaction) => this.shadow.store(transaction, version, built));
    }
    const missing = await this.shadow.countMissing(version, input.activeVersion);
    const comparison = await this.compare(version, input, signal);
    return { items: state.items, vectors: state.vectors, missing, ...(comparison ? { comparison } : {}) };
  }

  /** The space in the version that is built. */
  private async spaceOf({ tenant, collection, space: name, modelVersion }: ShadowVersion): Promise<Space> {
    const { collection: found } = await this.collections.get(tenant, collection);
    const space = found.spaces.filter((one) => one.name === name).flatMap(keptVersions).find((one) => one.modelVersion === modelVersion);
    if (!space) throw versionWasDropped(modelVersion);
    return space;
  }

  private async build(version: ShadowVersion, items: readonly UnbuiltItem[], signal: AbortSignal): Promise<BuiltPart[]> {
    const jobs = items.flatMap((item) => item.parts.map((part): Job => jobOf(item, part)));
    const built = await this.embed(version, jobs.filter(({ pictures }) => pictures.length === 0), signal);
    for (const batch of batchesOf(jobs.filter(({ pictures }) => pictures.length > 0))) built.push(...(await this.embed(version, batch, signal)));
    return built;
  }

  /** Leaves out what shows a picture that is not kept, or that the model's preparation refuses. */
  private async embed(version: ShadowVersion, jobs: readonly Job[], signal: AbortSignal): Promise<BuiltPart[]> {
    const wanted = [...new Set(jobs.flatMap(({ pictures }) => pictures))];
    const files = wanted.length > 0 ? await this.shadow.pictures(version, wanted) : new Map<string, Uint8Array>();
    const space = { name: version.space, modelVersion: version.modelVersion };
    const contentOf = ({ text, pictures }: Job): Content => ({ text, pictures: pictures.map((sha256) => ({ file: files.get(sha256)!, pointer: `/${sha256}` })) });
    let left = jobs.filter(({ pictures }) => pictures.every((sha256) => files.has(sha256)));
    while (left.length > 0) {
      try {
        const vectors = await this.embedding.embed(space, left.map(contentOf), signal);
        return left.map(({ item, part }, index) => ({ item, part, vector: vectors[index] }));
      } catch (error) {
        if (!(error instanceof Problem && error.reason === Reason.PICTURE_REFUSED)) throw error;
        const refused = error.violations[0].pointer!.slice(1);
        left = left.filter(({ pictures }) => !pictures.includes(refused));
      }
    }
    return [];
  }

  /** Both versions on some of the stored items as queries. Nothing to compare when the other one is gone. */
  private async compare(version: ShadowVersion, { activeVersion, sample, k, seed }: ReindexInput, signal: AbortSignal): Promise<JsonObject | undefined> {
    const { tenant, collection, space, modelVersion } = version;
    const view = await this.views.current(tenant, collection, 0, signal);
    const keys = [activeVersion, modelVersion].map((one) => indexKey({ name: space, modelVersion: one }));
    const kept = view.spaces.flatMap(keptVersions).map(indexKey);
    if (!keys.every((key) => kept.includes(key))) return undefined;

    const pairs: RankingPair[] = [];
    for (const id of await this.shadow.sample(version, sample, seed)) {
      signal.throwIfAborted();
      const rankings = await Promise.all(
        keys.map(async (key) => {
          const [vector] = await view.index.vectors(id, key);
          return vector && (await view.index.search({ space: key, vector, limit: k, exclude: [id] })).hits.map((hit) => hit.id);
        }),
      );
      const [before, after] = rankings;
      if (before && after) pairs.push({ before, after });
    }
    const compared = compareVersions(pairs, seed);
    return compared && { queries: compared.queries, k, seed, confidence: 0.95, recall: figure(compared.recall), rankOverlap: figure(compared.rankOverlap) };
  }
}

const figure = ({ estimate, lower, upper }: Interval): JsonObject => ({ estimate, lower, upper });

function jobOf(item: UnbuiltItem, part: ItemPart): Job {
  const { text, images } = part.content as PartContent;
  return { item, part, text, pictures: images.map((image) => item.pictures[image]) };
}

/** In their order; a note of many pictures may be more than a batch. */
function batchesOf(jobs: readonly Job[]): Job[][] {
  const batches: Job[][] = [];
  let room = 0;
  for (const job of jobs) {
    room -= job.pictures.length;
    if (room >= 0) batches.at(-1)!.push(job);
    else {
      batches.push([job]);
      room = batchPictures - job.pictures.length;
    }
  }
  return batches;
}
