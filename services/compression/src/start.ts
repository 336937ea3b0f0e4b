import type { Channel } from '@touchstone/contracts';
import { CompressionService } from '@touchstone/contracts/gen/touchstone/compression/v1/compression_pb';
import type { Health } from '@touchstone/runtime/lifecycle';
import { type RunningService, type ServiceSurroundings, startService } from '@touchstone/service';
import { Compression, Encoding } from './compression/compression.entity.ts';
import type { EncodingModels } from './compression/offer.service.ts';
import { CompressionModule } from './compression.module.ts';

/** The contracts that this service alone implements. */
export const compressionContracts = [CompressionService];

/** Tables that the service reads and writes through TypeORM; those of messaging belong to libs/messaging. */
export const entities = [Compression, Encoding];

export interface CompressionOptions extends ServiceSurroundings {
  /** Who made them closes them. */
  readonly models: EncodingModels;
  /** The way to the blobs; without it nothing is compressed. */
  readonly blobs?: Channel;
  /** Hosts from which pictures are fetched by their address (`OutboundFetch`); none when absent. */
  readonly fetchHosts?: readonly string[];
  /** How long tokens are kept. */
  readonly tokensKeptMs: number;
}

export async function start({ models, blobs, fetchHosts, tokensKeptMs, ...surroundings }: CompressionOptions): Promise<RunningService> {
  const module = CompressionModule.with({ models, blobs, fetchHosts, tokensKeptMs });
  const service = await startService({ ...surroundings, name: 'compression', contracts: compressionContracts, entities, module });
  return {
    ...service,
    health: async (): Promise<Health[]> => [...(await service.health()), ...(await encodersHealth())],
  };

  async function encodersHealth(): Promise<Health[]> {
    const readiness = await models.ready();
    return readiness.filter(({ name }) => name === models.encoder?.name).map(({ name, isReady, reason }) => ({ part: `model ${name}`, isReady, ...(reason ? { detail: reason } : {}) }));
  }
}
