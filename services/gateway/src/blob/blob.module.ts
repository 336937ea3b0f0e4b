import { type DynamicModule, Module } from '@nestjs/common';
import type { CallerTokens } from '@touchstone/runtime/tenant';
import { BlobController, CALLER_TOKENS } from './blob.controller.ts';
import { BlobFolder } from './blob-folder.ts';
import { BlobSweep } from './blob-sweep.ts';
import { BlobTransferController } from './blob-transfer.controller.ts';
import { BLOB_LIMITS, Blobs } from './blobs.service.ts';
import { Uploads } from './uploads.service.ts';

/** Where blobs lie and how large they may be. */
export interface BlobOptions {
  /** All processes of the gateway see the same folder. */
  readonly folder: string;
  /** Of one blob. Default 1 GB. */
  readonly maximumBytes?: number;
}

@Module({})
export class BlobModule {
  static inFolder({ folder, maximumBytes = 1024 ** 3 }: BlobOptions, tokens: CallerTokens): DynamicModule {
    return {
      module: BlobModule,
      controllers: [BlobController, BlobTransferController],
      providers: [
        { provide: CALLER_TOKENS, useValue: tokens },
        { provide: BlobFolder, useValue: new BlobFolder(folder) },
        { provide: BLOB_LIMITS, useValue: { maximumBytes } },
        Blobs,
        Uploads,
        BlobSweep,
      ],
    };
  }
}
