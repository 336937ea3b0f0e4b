import { type DynamicModule, Module } from '@nestjs/common';
import type { Channel } from '@touchstone/contracts';
import { BlobFiles, BLOBS, Pictures } from '@touchstone/files';
import type { Models } from '@touchstone/models';
import { OutboundFetch } from '@touchstone/runtime/outbound-fetch';
import { CollectionController } from './collection/collection.controller.ts';
import { CollectionStatisticsEvents } from './collection/collection-statistics.events.ts';
import { Collections } from './collection/collections.service.ts';
import { DuplicateController } from './duplicate/duplicate.controller.ts';
import { Duplicates } from './duplicate/duplicates.service.ts';
import { defaultEvidenceLimits, DuplicatesScan, EVIDENCE_LIMITS, type EvidenceLimits } from './duplicate/duplicates-scan.operation.ts';
import { Folding } from './duplicate/folding.service.ts';
import { FoundPairs } from './duplicate/found-pairs.service.ts';
import { PicturePairs } from './duplicate/picture-pairs.service.ts';
import { EmbeddingController } from './embedding/embedding.controller.ts';
import { EvaluationController } from './evaluation/evaluation.controller.ts';
import { Evaluation } from './evaluation/evaluation.operation.ts';
import { Galleries } from './gallery/galleries.service.ts';
import { GalleryCalibration } from './gallery/gallery-calibration.service.ts';
import { GalleryComparison } from './gallery/gallery-comparison.service.ts';
import { GalleryController } from './gallery/gallery.controller.ts';
import { GalleryFollower } from './gallery/gallery-follower.service.ts';
import type { Milvus } from './index/milvus.client.ts';
import type { Scanner } from './index/scanner.ts';
import { COPY_LIMITS, type CopyLimits, defaultCopyLimits, MILVUS, SCANNER } from './indexes.ts';
import { ImportController } from './import/import.controller.ts';
import { ImportRows } from './import/import-rows.service.ts';
import { ItemsImport } from './import/items-import.operation.ts';
import { ItemController } from './item/item.controller.ts';
import { ItemEmbedding } from './item/item-embedding.service.ts';
import { ItemPreparation } from './item/item-preparation.service.ts';
import { ItemPictures } from './item/item-pictures.service.ts';
import { Items } from './item/items.service.ts';
import { KeptPictures } from './item/kept-pictures.service.ts';
import { StoredItems } from './item/stored-items.service.ts';
import { ModelVersionController } from './model-version/model-version.controller.ts';
import { ModelVersions } from './model-version/model-versions.service.ts';
import { Reindex } from './model-version/reindex.operation.ts';
import { Shadow } from './model-version/shadow.service.ts';
import { MODELS } from './models.ts';
import { CollectionLog } from './search/collection-log.service.ts';
import { CollectionCopies } from './search/collection-copies.service.ts';
import { CollectionViews } from './search/collection-views.service.ts';
import { FieldNames } from './search/field-names.service.ts';
import { IndexMetrics } from './search/index.metrics.ts';
import { LatestPositions } from './search/latest-positions.service.ts';
import { Queries } from './search/queries.service.ts';
import { QueryVectors } from './search/query-vectors.service.ts';
import { SearchController } from './search/search.controller.ts';
import { Searches } from './search/searches.service.ts';

export interface RetrievalParts {
  readonly models: Models;
  readonly scanner: Scanner;
  readonly milvus?: Milvus;
  readonly copyLimits?: CopyLimits;
  readonly evidenceLimits?: EvidenceLimits;
  readonly blobs?: Channel;
  readonly fetchHosts?: readonly string[];
}

@Module({})
export class RetrievalModule {
  static with({ models, scanner, milvus, copyLimits = defaultCopyLimits, evidenceLimits = defaultEvidenceLimits, blobs, fetchHosts = [] }: RetrievalParts): DynamicModule {
    return {
      module: RetrievalModule,
      controllers: [CollectionController, CollectionStatisticsEvents, DuplicateController, EmbeddingController, EvaluationController, GalleryController, ImportController, ItemController, ModelVersionController, SearchController],
      providers: [
        { provide: MODELS, useValue: models },
        { provide: SCANNER, useValue: scanner },
        { provide: MILVUS, useValue: milvus },
        { provide: COPY_LIMITS, useValue: copyLimits },
        { provide: EVIDENCE_LIMITS, useValue: evidenceLimits },
        { provide: BLOBS, useValue: blobs },
        { provide: OutboundFetch, useValue: new OutboundFetch({ hosts: fetchHosts }) },
        BlobFiles,
        Collections,
        CollectionCopies,
        CollectionLog,
        CollectionViews,
        Evaluation,
        Duplicates,
        DuplicatesScan,
        FieldNames,
        Folding,
        FoundPairs,
        Galleries,
        GalleryCalibration,
        GalleryComparison,
        GalleryFollower,
        IndexMetrics,
        ItemEmbedding,
        ImportRows,
        ItemPreparation,
        ItemPictures,
        Items,
        ItemsImport,
        KeptPictures,
        LatestPositions,
        ModelVersions,
        PicturePairs,
        Pictures,
        Queries,
        QueryVectors,
        Reindex,
        Searches,
        Shadow,
        StoredItems,
      ],
    };
  }
}
