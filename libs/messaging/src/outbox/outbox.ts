import { randomBytes, randomUUIDv7 } from 'node:crypto';
import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { afterCommit } from '@touchstone/persistence';
import { currentTraceparent } from '@touchstone/runtime/telemetry';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import { topicOf } from './stored-event.ts';

/** With its headers an event of this size passes Kafka's default limit of 1 MiB a message. */
export const maximumPayloadBytes = 1_000_000;

export interface OutgoingEvent<Schema extends DescMessage> {
  /** Id of the aggregate, as the event's contract says. Events of one key and tenant stay in order. */
  readonly key: string;
  readonly message: MessageInitShape<Schema>;
  /** More headers; without `traceparent` (W3C) among them the event continues the trace of the current work, or begins one. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface OutboxOptions {
  /** The service whose schema has the outbox; also the events' `source`. */
  readonly service: string;
  /** Called after each commit that added events. */
  readonly onCommitted?: () => void;
  readonly now?: () => number;
}

/** Posts events in the transaction of the rows that they tell of: both are saved, or neither. */
export class Outbox {
  readonly #options: Required<OutboxOptions>;

  constructor({ service, onCommitted = () => undefined, now = Date.now }: OutboxOptions) {
    this.#options = { service, onCommitted, now };
  }

  /**
   * Adds one event. A writer holds the row lock of its aggregate before it adds (it has inserted or updated that row,
   * or selected it `for update`), so for each key the order of insertion is the order of commits.
   *
   * @throws RangeError when the message is larger than `maximumPayloadBytes`; the caller's transaction then rolls back.
   */
  async add<Schema extends DescMessage>(transaction: EntityManager, tenant: Tenant, schema: Schema, event: OutgoingEvent<Schema>): Promise<void> {
    await this.addAll(transaction, tenant, schema, [event]);
  }

  /** Adds events of one kind in their order, in one statement. The same rules as for `add`. */
  async addAll<Schema extends DescMessage>(
    transaction: EntityManager,
    tenant: Tenant,
    schema: Schema,
    events: readonly OutgoingEvent<Schema>[],
  ): Promise<void> {
    if (!transaction.queryRunner?.isTransactionActive) throw new Error('Outbox.add: needs the open transaction of the rows that the event tells of.');
    if (events.length === 0) return;
    const { service, onCommitted } = this.#options;
    const topic = topicOf(schema);
    const eventIds = events.map(() => randomUUIDv7());
    const payloads = events.map(({ key, message }) => encode(schema, key, message));
    const headers = events.map(({ metadata }, index) => JSON.stringify(this.#headers(eventIds[index], topic, tenant, metadata)));
    await transaction.query(
      `insert into ${service}.outbox (topic, key, tenant_id, event_id, payload, headers)
       select $1, key, $2, event_id, payload, headers
       from unnest($3::text[], $4::uuid[], $5::bytea[], $6::jsonb[]) with ordinality as event (key, event_id, payload, headers, position)
       order by position`,
      [topic, tenant.id, events.map(({ key }) => key), eventIds, payloads, headers],
    );
    afterCommit(transaction, onCommitted);
  }

  #headers(eventId: string, topic: string, tenant: Tenant, metadata: Readonly<Record<string, string>> = {}): Record<string, string> {
    const { service, now } = this.#options;
    return {
      traceparent: currentTraceparent() ?? `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`,
      ...metadata,
      'content-type': 'application/protobuf',
      ce_specversion: '1.0',
      ce_id: eventId,
      ce_source: `/touchstone/${service}`,
      ce_type: topic,
      ce_time: new Date(now()).toISOString(),
      tenant: tenant.id,
    };
  }
}

function encode<Schema extends DescMessage>(schema: Schema, key: string, message: MessageInitShape<Schema>): Buffer {
  const payload = Buffer.from(toBinary(schema, create(schema, message)));
  if (payload.length > maximumPayloadBytes) {
    throw new RangeError(`${schema.typeName} for ${key} has ${payload.length} bytes; an event has at most ${maximumPayloadBytes}. Refer to large content instead of sending it.`);
  }
  return payload;
}
