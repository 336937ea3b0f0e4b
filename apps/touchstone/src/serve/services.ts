import type { DescFile, DescService } from '@bufbuild/protobuf';
import type { Channel } from '@touchstone/contracts';
import { compressionContracts, start as startCompression } from '@touchstone/compression';
import { file_touchstone_events_v1_retrieval } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import type { Models } from '@touchstone/models';
import { retrievalContracts, start as startRetrieval } from '@touchstone/retrieval';
import type { RunningService, ServiceSurroundings } from '@touchstone/service';
import type { Configuration } from '../configuration.ts';
import type { ServiceName } from '../service-names.ts';

/** What the program has for a service that it starts. */
export interface Surroundings extends ServiceSurroundings {
  readonly configuration: Configuration;
  /** Where the gateway's blobs are read; absent when nobody said where the gateway is. */
  readonly blobs?: Channel;
  /** The model server, started for the first service that asks. */
  models(): Promise<Models>;
}

export interface Service {
  /** What the gateway shows of it. */
  readonly contracts: readonly DescService[];
  /** The file of the events that it tells of; absent where there are none. */
  readonly events?: DescFile;
  start(surroundings: Surroundings): Promise<RunningService>;
}

/** The services behind the door. A new one is a line here and its name in service-names.ts: docs/new-service.md. */
export const services: Readonly<Record<Exclude<ServiceName, 'gateway'>, Service>> = {
  retrieval: {
    contracts: retrievalContracts,
    events: file_touchstone_events_v1_retrieval,
    start: async ({ configuration: { fetchHosts, scanWorkers, vectorsDir, milvusAddress, copyLimits }, models, ...surroundings }) => startRetrieval({ ...surroundings, models: await models(), fetchHosts, scanWorkers, vectorFolder: vectorsDir, milvusAddress, copyLimits }),
  },
  compression: {
    contracts: compressionContracts,
    start: async ({ configuration: { fetchHosts, tokensKeptMs }, models, ...surroundings }) => startCompression({ ...surroundings, models: await models(), fetchHosts, tokensKeptMs }),
  },
};
