import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type Channel, ContractServer, PassErrors, Problem, Reason } from '@touchstone/contracts';
import { OperationService } from '@touchstone/contracts/gen/touchstone/operations/v1/operation_pb';
import { CollectionService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/collection_pb';
import { ImportService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/import_pb';
import { EmbeddingService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/embedding_pb';
import { ItemService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';
import { SearchService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/search_pb';
import { EventTransport, type KafkaOptions, MessagingHealth } from '@touchstone/messaging';
import type { Models } from '@touchstone/models';
import { Database, DatabaseUnavailable } from '@touchstone/persistence';
import type { Health, Running } from '@touchstone/runtime/lifecycle';
import { nestLogger } from '@touchstone/runtime/logging';
import type { CallerTokenVerifier } from '@touchstone/runtime/tenant';
import { Scanner } from './index/scanner.ts';
import { RetrievalModule } from './retrieval.module.ts';
import { CollectionViews } from './search/collection-views.service.ts';

/** The contracts that this service alone implements; it serves `OperationService` for its own operations too. */
export const retrievalContracts = [CollectionService, ImportService, ItemService, SearchService, EmbeddingService];

export interface RetrievalOptions {
  readonly database: { readonly url: string; readonly systemUrl: string };
  /** Who made them closes them. */
  readonly models: Models;
  readonly verifier: CallerTokenVerifier;
  /** The way to the blobs; without it no picture comes from one. */
  readonly blobs?: Channel;
  /** Hosts from which pictures are fetched by their address (`OutboundFetch`); none when absent. */
  readonly fetchHosts?: readonly string[];
  /** Through which its events travel; without it they stay in the service. */
  readonly kafka?: KafkaOptions;
  /** `host:port` or `unix:path` for gRPC; without it the service is called in process only. */
  readonly listen?: string;
  /** Threads that scan the index. */
  readonly scanWorkers: number;
}

export interface RunningRetrieval extends Running {
  readonly server: ContractServer;
}

export async function start({ database, models, verifier, blobs, fetchHosts, kafka, listen, scanWorkers }: RetrievalOptions): Promise<RunningRetrieval> {
  const scanner = await Scanner.start({ workers: scanWorkers });
  const server = new ContractServer({ services: [...retrievalContracts, OperationService], verifier, listen, problemOf, answers: { answerTo: (tenant, key) => app.get(Database).answerTo(tenant, key) } });
  const app = await NestFactory.create<NestFastifyApplication>(RetrievalModule.with({ database, models, scanner, blobs, fetchHosts, kafka }), new FastifyAdapter(), {
    logger: nestLogger('retrieval'),
    abortOnError: false,
  });
  app.useGlobalFilters(new PassErrors());
  app.connectMicroservice({ strategy: server }, { inheritAppConfig: true });
  app.connectMicroservice({ strategy: app.get(EventTransport) }, { inheritAppConfig: true });
  await app.startAllMicroservices();
  await app.init();

  return {
    server,
    async health(): Promise<Health[]> {
      return [...(await databaseHealth()), app.get(CollectionViews).health(), ...(await modelsHealth())];
    },
    async stop() {
      await app.close();
      await scanner.close();
    },
  };

  /** The events are watched where their tables are. */
  async function databaseHealth(): Promise<Health[]> {
    const part = 'retrieval database';
    try {
      await app.get(Database).check();
      return [{ part, isReady: true }, ...(await app.get(MessagingHealth).health())];
    } catch (error) {
      return [{ part, isReady: false, detail: (error as Error).message }];
    }
  }

  async function modelsHealth(): Promise<Health[]> {
    const readiness = await models.ready();
    return readiness.map(({ name, isReady, reason }) => ({ part: `model ${name}`, isReady, ...(reason ? { detail: reason } : {}) }));
  }
}

/** What of the libraries' errors a caller can act on. */
function problemOf(error: unknown): Problem | undefined {
  if (!(error instanceof DatabaseUnavailable)) return undefined;
  return new Problem({ reason: Reason.UNAVAILABLE, detail: 'The database does not answer.', retryAfterSeconds: 2 }, { cause: error });
}
