import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type ContractServer, LocalChannel } from '@touchstone/contracts';
import { EmbeddingService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/embedding_pb';
import { Database, databaseHealth } from '@touchstone/persistence';
import { ConfigurationError } from '@touchstone/runtime/config';
import type { Running } from '@touchstone/runtime/lifecycle';
import { nestLogger } from '@touchstone/runtime/logging';
import { CallerTokens } from '@touchstone/runtime/tenant';
import { BlobModule, type BlobOptions } from './blob/blob.module.ts';
import { DocsController, OPENAPI_DOCUMENT } from './docs/docs.controller.ts';
import { HealthController, READINESS, type Readiness } from './health/health.controller.ts';
import { refuseOtherMethods } from './http/allowed-methods.ts';
import { type AccessLogLevel, observeRequests } from './http/observe-requests.ts';
import { httpServer, type ServerOptions } from './http/server.ts';
import { demandKeys } from './key/authentication.ts';
import { EMBEDDINGS, EmbeddingsController } from './openai/embeddings.controller.ts';
import { type DatabaseUrls, KeysModule } from './key/keys.module.ts';
import { KeyVerifier } from './key/key-verifier.ts';
import { limitRequests } from './limit/limit-requests.ts';
import { RateLimiter } from './limit/rate-limiter.ts';
import { gatewayContracts } from './own-contracts.ts';
import { ProblemFilter } from './rest/problem.filter.ts';
import type { Upstream } from './rest/rest-controller.ts';
import { RestModule } from './rest/rest.module.ts';

export interface GatewayOptions extends Partial<ServerOptions> {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** The services to show, each with the way to it. */
  readonly upstreams: readonly Upstream[];
  /** Issues the token by which services know the caller. */
  readonly tokens: CallerTokens;
  readonly database: DatabaseUrls;
  /** The gateway's own contracts; without them it shows the services alone. */
  readonly own?: { readonly server: ContractServer; readonly blobs: BlobOptions };
  /** Parts of the platform beside the gateway's own database, for `/readyz`. */
  readonly readiness?: Readiness;
  /** What `/openapi.json` shows; the committed description of the platform when absent. */
  readonly openApi?: object;
  /** Of a tenant for which nobody set another limit. Default 600,000. */
  readonly requestsPerMinute?: number;
  /** Of such a tenant, in all its collections; no limit when absent. */
  readonly itemsPerTenant?: number;
  /** Longest wait for an answer. Default 30 s. */
  readonly deadlineMs?: number;
  /** Level of the line that each request leaves in the log. Default `debug`. */
  readonly accessLog?: AccessLogLevel;
  /** Longest life of an event stream. Default 1 h. */
  readonly streamDeadlineMs?: number;
}

export interface RunningGateway extends Running {
  /** `http://host:port`. */
  readonly url: string;
  readonly app: NestFastifyApplication;
}

/**
 * Starts the only public door: REST from the contracts, keys, problem+json, health, `/openapi.json` and `/docs`.
 *
 * @throws Error when a contract asks for something the gateway cannot show, or the port is taken (EADDRINUSE).
 */
export async function start({
  host,
  port,
  upstreams,
  tokens,
  database,
  own,
  readiness = async () => [],
  openApi = committedDocument(),
  bodyLimitBytes = 20 * 1024 * 1024,
  trustProxy = false,
  requestTimeoutMs = 60_000,
  requestsPerMinute,
  itemsPerTenant,
  deadlineMs = 30_000,
  streamDeadlineMs = 3_600_000,
  accessLog = 'debug',
}: GatewayOptions): Promise<RunningGateway> {
  const stopping = new AbortController();
  const embeddings = upstreams.find(({ service }) => service === EmbeddingService)?.channel;
  const ownUpstreams = own ? gatewayContracts.map((service) => ({ service, channel: new LocalChannel(own.server) })) : [];
  @Module({
    imports: [
      KeysModule.forDatabase(database, { requestsPerMinute, items: itemsPerTenant }),
      ...(own ? [BlobModule.at(own.blobs, tokens)] : []),
      RestModule.forServices([...upstreams, ...ownUpstreams], { tokens, deadlineMs, streamDeadlineMs, stopping: stopping.signal }),
    ],
    controllers: [HealthController, DocsController, ...(embeddings ? [EmbeddingsController] : [])],
    providers: [
      { provide: EMBEDDINGS, useValue: embeddings },
      { provide: CallerTokens, useValue: tokens },
      { provide: OPENAPI_DOCUMENT, useValue: openApi },
      { provide: READINESS, useFactory: (ownDatabase: Database) => async () => [await databaseHealth(ownDatabase, 'gateway'), ...(await readiness())], inject: [Database] },
    ],
  })
  class GatewayModule {}

  const adapter = httpServer({ bodyLimitBytes, trustProxy, requestTimeoutMs });
  const app = await NestFactory.create<NestFastifyApplication>(GatewayModule, adapter, { logger: nestLogger('gateway'), bodyParser: false, abortOnError: false });
  app.useGlobalFilters(new ProblemFilter());
  const endObserving = observeRequests(adapter.getInstance(), accessLog);
  refuseOtherMethods(adapter.getInstance());
  demandKeys(adapter.getInstance(), app.get(KeyVerifier));
  limitRequests(adapter.getInstance(), app.get(RateLimiter));
  try {
    if (own) app.connectMicroservice({ strategy: own.server });
    await app.startAllMicroservices();
    await app.listen(port, host);
  } catch (error) {
    await app.close();
    throw (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? new ConfigurationError(`${host}:${port} is used by another program (EADDRINUSE). Stop it, or choose another TOUCHSTONE_PORT.`, { cause: error }) : error;
  }

  return {
    app,
    url: await app.getUrl(),
    health: app.get<Readiness>(READINESS),
    async stop() {
      stopping.abort();
      const server = adapter.getHttpServer();
      // A connection whose last answer ends after this moment would be kept alive, and waited for.
      const sweep = setInterval(() => server.closeIdleConnections(), 50);
      const patience = setTimeout(() => server.closeAllConnections(), 10_000);
      try {
        await app.close();
      } finally {
        endObserving();
        clearInterval(sweep);
        clearTimeout(patience);
      }
    },
  };
}

function committedDocument(): object {
  return JSON.parse(readFileSync(new URL('../openapi.json', import.meta.url), 'utf8')) as object;
}
