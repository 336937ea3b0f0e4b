import { type DynamicModule, Module } from '@nestjs/common';
import type { Channel } from '@touchstone/contracts';
import { BlobFiles, BLOBS, Pictures } from '@touchstone/files';
import { OutboundFetch } from '@touchstone/runtime/outbound-fetch';
import { CompressionController } from './compression/compression.controller.ts';
import { CompressionStore } from './compression/compression-store.service.ts';
import { CompressionSweep } from './compression/compression-sweep.service.ts';
import { Compressions } from './compression/compressions.service.ts';
import { KEPT_FOR_MS, KeptTokens } from './compression/kept-tokens.service.ts';
import { type EncodingModels, MODELS, Offer } from './compression/offer.service.ts';
import { Explanations } from './explain/explanations.service.ts';

export interface CompressionParts {
  readonly models: EncodingModels;
  readonly blobs?: Channel;
  readonly fetchHosts?: readonly string[];
  readonly tokensKeptMs: number;
}

@Module({})
export class CompressionModule {
  static with({ models, blobs, fetchHosts = [], tokensKeptMs }: CompressionParts): DynamicModule {
    return {
      module: CompressionModule,
      controllers: [CompressionController],
      providers: [
        { provide: MODELS, useValue: models },
        { provide: BLOBS, useValue: blobs },
        { provide: KEPT_FOR_MS, useValue: tokensKeptMs },
        { provide: OutboundFetch, useValue: new OutboundFetch({ hosts: fetchHosts }) },
        BlobFiles,
        Compressions,
        CompressionStore,
        CompressionSweep,
        Explanations,
        KeptTokens,
        Offer,
        Pictures,
      ],
    };
  }
}
