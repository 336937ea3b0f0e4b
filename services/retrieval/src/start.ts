import type { Channel } from '@touchstone/contracts';
import { CollectionService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/collection_pb';
import { DuplicateService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/duplicate_pb';
import { EmbeddingService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/embedding_pb';
import { EvaluationService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/evaluation_pb';
import { GalleryService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/gallery_pb';
import { ImportService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/import_pb';
import { ItemService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';
import { ModelVersionService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/model_version_pb';
import { SearchService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/search_pb';
import type { Models } from '@touchstone/models';
import type { Health } from '@touchstone/runtime/lifecycle';
import { type RunningService, type ServiceSurroundings, startService } from '@touchstone/service';
import type { EvidenceLimits } from './duplicate/duplicates-scan.operation.ts';
import { entities } from './entities.ts';
import { Milvus } from './index/milvus.client.ts';
import { Scanner } from './index/scanner.ts';
import type { CopyLimits } from './indexes.ts';
import { RetrievalModule } from './retrieval.module.ts';
import { CollectionViews } from './search/collection-views.service.ts';

/** The contracts that this service alone implements. */
export const retrievalContracts = [CollectionService, DuplicateService, GalleryService, ImportService, ItemService, SearchService, ModelVersionService, EmbeddingService, EvaluationService];

export interface RetrievalOptions extends ServiceSurroundings {
  /** Who made them closes them. */
  readonly models: Models;
  /** The way to the blobs; without it no picture comes from one. */
  readonly blobs?: Channel;
  /** Hosts from which pictures are fetched by their address (`OutboundFetch`); none when absent. */
  readonly fetchHosts?: readonly string[];
  /** Threads that scan the index. */
  readonly scanWorkers: number;
  /** Folder for the temporary file of the float32 vectors; they are in memory when absent. */
  readonly vectorFolder?: string;
  /** `host:port` of a Milvus that has the indexes; in the memory of this process when absent. */
  readonly milvusAddress?: string;
  /** What is copied out of that Milvus's sight into this process; `defaultCopyLimits` when absent. */
  readonly copyLimits?: CopyLimits;
  /** `defaultEvidenceLimits` when absent. */
  readonly evidenceLimits?: EvidenceLimits;
}

export async function start({ models, blobs, fetchHosts, scanWorkers, vectorFolder, milvusAddress, copyLimits, evidenceLimits, ...surroundings }: RetrievalOptions): Promise<RunningService> {
  const scanner = await Scanner.start({ workers: scanWorkers, vectorFolder });
  const milvus = milvusAddress ? await Milvus.at(milvusAddress) : undefined;
  const service = await startService({ ...surroundings, name: 'retrieval', contracts: retrievalContracts, entities, module: RetrievalModule.with({ models, scanner, milvus, copyLimits, evidenceLimits, blobs, fetchHosts }) });
  return {
    ...service,
    async health(): Promise<Health[]> {
      return [...(await service.health()), service.app.get(CollectionViews).health(), ...(await modelsHealth())];
    },
    async stop() {
      await service.stop();
      await milvus?.close();
      await scanner.close();
    },
  };

  async function modelsHealth(): Promise<Health[]> {
    const readiness = await models.ready();
    return readiness.filter(({ role, isOptional }) => role === 'embedding' && !isOptional).map(({ name, isReady, reason }) => ({ part: `model ${name}`, isReady, ...(reason ? { detail: reason } : {}) }));
  }
}
