import 'reflect-metadata';
import { Controller, type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import { ItemUpsertedSchema } from '@touchstone/contracts/gen/touchstone/events/v1/retrieval_pb';
import { EventTransport, type KafkaOptions, MessagingModule, OnEvent, Outbox, type Received } from '@touchstone/messaging';
import { Database, PersistenceModule } from '@touchstone/persistence';
import type { Tenant } from '@touchstone/runtime/tenant';
import { nestLogger } from '@touchstone/runtime/logging';

/** The rows that writers lock, and one row for each event that was handled. */
export const tables = `
  create table retrieval.subject (key text primary key, position double precision not null);
  create table retrieval.effect (tenant_id uuid, key text, position double precision);
  grant all on retrieval.effect, retrieval.subject to retrieval`;

const keys = 200;

/** Called with each event in its handler, just before the commit. */
export const observer: { onHandled: () => void } = { onHandled: () => undefined };

@Controller()
class Recorder {
  constructor(private readonly database: Database) {}

  @OnEvent(ItemUpsertedSchema)
  async onItemUpserted({ tenant, key, data }: Received<typeof ItemUpsertedSchema>): Promise<void> {
    await this.database.transaction(tenant, (transaction) => transaction.query('insert into retrieval.effect values ($1, $2, $3)', [tenant.id, key, data.position]));
    observer.onHandled();
  }
}

/** A service with an outbox and one handler, whose events flow. */
export async function startService(urls: { url: string; systemUrl: string }, kafka?: KafkaOptions): Promise<INestMicroservice> {
  @Module({
    imports: [PersistenceModule.forService({ service: 'retrieval', ...urls, entities: [] }), MessagingModule.forService({ service: 'retrieval', kafka })],
    controllers: [Recorder],
  })
  class Service {}

  const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(Service, {
    useFactory: (transport: EventTransport) => ({ strategy: transport }),
    inject: [EventTransport],
    logger: nestLogger('bench'),
  });
  await app.listen();
  return app;
}

/** One transaction: `count` rows under their locks, and an event of each. */
export async function write(app: INestMicroservice, tenant: Tenant, count: number, first: number): Promise<void> {
  const numbers = Array.from({ length: count }, (_, index) => first + index);
  await app.get(Database).transaction(tenant, async (transaction) => {
    await transaction.query(
      `insert into retrieval.subject select 'key ' || number % ${keys}, number from unnest($1::integer[]) number
       on conflict (key) do update set position = excluded.position`,
      [numbers],
    );
    await app.get(Outbox).addAll(transaction, tenant, ItemUpsertedSchema, numbers.map((position) => ({ key: `key ${position % keys}`, message: { collection: 'a', itemId: `${position % keys}`, position } })));
  });
}

// As a program of its own: a relay that holds all leases until it is killed.
if (process.argv[1] === import.meta.filename) await startService({ url: process.argv[2], systemUrl: process.argv[3] });
