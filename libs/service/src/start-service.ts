import 'reflect-metadata';
import type { DescService } from '@bufbuild/protobuf';
import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { ContractServer, PassErrors, Problem, Reason } from '@touchstone/contracts';
import { OperationService } from '@touchstone/contracts/gen/touchstone/operations/v1/operation_pb';
import { EventTransport, type KafkaOptions, MessagingHealth, MessagingModule } from '@touchstone/messaging';
import { OperationsModule } from '@touchstone/operations';
import { Database, databaseHealth, type DatabaseOptions, DatabaseUnavailable, PersistenceModule } from '@touchstone/persistence';
import type { Health, Running } from '@touchstone/runtime/lifecycle';
import { nestLogger } from '@touchstone/runtime/logging';
import type { CallerTokenVerifier } from '@touchstone/runtime/tenant';

/** What every service gets from the program that starts it. */
export interface ServiceSurroundings {
  /** Connection URLs of the roles `<service>` and `<service>_system`. */
  readonly database: { readonly url: string; readonly systemUrl: string };
  readonly verifier: CallerTokenVerifier;
  /** Through which its events travel; without it they stay in the service. */
  readonly kafka?: KafkaOptions;
  /** `host:port` or `unix:path` for gRPC; without it the service is called in process only. */
  readonly listen?: string;
}

export interface ServiceOptions extends ServiceSurroundings {
  /** Of its schema, its consumer group and its log lines. */
  readonly name: string;
  /** The contracts that its controllers implement; it serves `OperationService` too. */
  readonly contracts: readonly DescService[];
  /** Its tables, but for those of events and operations. */
  readonly entities: DatabaseOptions['entities'];
  /** Its controllers and providers: they may have `Database`, `Outbox` and `Operations` injected. */
  readonly module: Type | DynamicModule;
}

export interface RunningService extends Running {
  readonly server: ContractServer;
  /** For what the service's own health is asked of. */
  readonly app: NestFastifyApplication;
}

/** Starts a service: its contracts are served, its events flow, its operations are worked on. */
export async function startService({ name, contracts, database, entities, module, verifier, kafka, listen }: ServiceOptions): Promise<RunningService> {
  class Service {}
  const root = {
    module: Service,
    imports: [PersistenceModule.forService({ ...database, service: name, entities }), MessagingModule.forService({ service: name, kafka }), OperationsModule.forService({ service: name }), module],
  };
  const server = new ContractServer({ services: [...contracts, OperationService], verifier, listen, problemOf, answers: { answerTo: (tenant, key) => app.get(Database).answerTo(tenant, key) } });
  const app = await NestFactory.create<NestFastifyApplication>(root, new FastifyAdapter(), { logger: nestLogger(name), abortOnError: false });
  app.useGlobalFilters(new PassErrors());
  app.connectMicroservice({ strategy: server }, { inheritAppConfig: true });
  app.connectMicroservice({ strategy: app.get(EventTransport) }, { inheritAppConfig: true });
  await app.startAllMicroservices();
  await app.init();

  return {
    server,
    app,
    stop: () => app.close(),

    /** The events are watched where their tables are. */
    async health(): Promise<Health[]> {
      const database = await databaseHealth(app.get(Database), name);
      return database.isReady ? [database, ...(await app.get(MessagingHealth).health())] : [database];
    },
  };
}

/** What of the libraries' errors a caller can act on. */
function problemOf(error: unknown): Problem | undefined {
  if (!(error instanceof DatabaseUnavailable)) return undefined;
  return new Problem({ reason: Reason.UNAVAILABLE, detail: 'The database does not answer.', retryAfterSeconds: 2 }, { cause: error });
}
