import { type DynamicModule, Module } from '@nestjs/common';
import type { CallerTokens } from '@touchstone/runtime/tenant';
import { BlobController, CALLER_TOKENS } from './blob.controller.ts';
import { BlobFolder } from './blob-folder.ts';
import { BlobStore } from './blob-store.ts';
import { BlobSweep } from './blob-sweep.ts';
import { BlobTransferController } from './blob-transfer.controller.ts';
import { BLOB_LIMITS, type BlobLimits, BlobQuota } from './blob-quota.service.ts';
import { Blobs } from './blobs.service.ts';
import { type S3Options, S3BlobStore } from './s3-blob-store.ts';
import { Uploads } from './uploads.service.ts';

/** Where blobs lie and how large they may be. */
export interface BlobOptions {
  /** Where blobs lie, and all processes of the gateway see them; with `s3` where bytes wait that come in, for each process its own. */
  readonly folder: string;
  /** Blobs lie in a bucket. */
  readonly s3?: S3Options;
  /** Of one blob. Default 1 GB. */
  readonly maximumBytes?: number;
  /** Of all blobs of a tenant for which nobody set another limit; none when absent. */
  readonly tenantBytes?: number;
}

@Module({})
export class BlobModule {
  static at({ folder, s3, maximumBytes = 1024 ** 3, tenantBytes }: BlobOptions, tokens: CallerTokens): DynamicModule {
    return {
      module: BlobModule,
      controllers: [BlobController, BlobTransferController],
      providers: [
        { provide: CALLER_TOKENS, useValue: tokens },
        { provide: BlobStore, useValue: blobStoreAt({ folder, s3 }) },
        { provide: BLOB_LIMITS, useValue: { maximumBytes, tenantBytes } satisfies BlobLimits },
        BlobQuota,
        Blobs,
        Uploads,
        BlobSweep,
      ],
    };
  }
}

/** Where the options say that blobs lie. */
export function blobStoreAt({ folder, s3 }: Pick<BlobOptions, 'folder' | 's3'>): BlobStore {
  return s3 ? new S3BlobStore(new BlobFolder(folder), s3) : new BlobFolder(folder);
}
