import { type DynamicModule, Module } from '@nestjs/common';
import type { CallerTokens } from '@touchstone/runtime/tenant';
import { BlobController, CALLER_TOKENS } from './blob.controller.ts';
import { BlobFolder } from './blob-folder.ts';
import { BlobSweep } from './blob-sweep.ts';
import { BlobTransferController } from './blob-transfer.controller.ts';
import { BLOB_LIMITS, type BlobLimits, BlobQuota } from './blob-quota.service.ts';
import { Blobs } from './blobs.service.ts';
import { Uploads } from './uploads.service.ts';

/** Where blobs lie and how large they may be. */
export interface BlobOptions {
  /** All processes of the gateway see the same folder. */
  readonly folder: string;
  /** Of one blob. Default 1 GB. */
  readonly maximumBytes?: number;
  /** Of all blobs of a tenant for which nobody set another limit; none when absent. */
  readonly tenantBytes?: number;
}

@Module({})
export class BlobModule {
  static inFolder({ folder, maximumBytes = 1024 ** 3, tenantBytes }: BlobOptions, tokens: CallerTokens): DynamicModule {
    return {
      module: BlobModule,
      controllers: [BlobController, BlobTransferController],
      providers: [
        { provide: CALLER_TOKENS, useValue: tokens },
        { provide: BlobFolder, useValue: new BlobFolder(folder) },
        { provide: BLOB_LIMITS, useValue: { maximumBytes, tenantBytes } satisfies BlobLimits },
        BlobQuota,
        Blobs,
        Uploads,
        BlobSweep,
      ],
    };
  }
}
