import { fromBinary, type DescMessage } from '@bufbuild/protobuf';
import { BaseRpcContext, type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import type { Database } from '@touchstone/persistence';
import { isObservable, lastValueFrom } from 'rxjs';
import type { StoredEvent } from '../outbox/stored-event.ts';
import type { Lease } from '../relay/lease.ts';
import type { Publication, Publisher, Relay } from '../relay/relay.ts';
import { Consumer, type ConsumerOptions, type EventHandlers } from './consumer.ts';
import { Inbox } from './inbox.ts';
import { eventTransport, type Received } from './on-event.ts';

export interface LocalTransportOptions extends ConsumerOptions {
  /** The consumer group, and the schema of its inbox. */
  readonly service: string;
}

/**
 * Events without a broker: the service's relay hands the rows of its outbox to the service's own handlers, and a row
 * stays until its effect is committed or it is a dead letter.
 *
 * A Nest strategy: `app.connectMicroservice({ strategy: app.get(LocalTransport) })`.
 */
export class LocalTransport extends Server implements CustomTransportStrategy, Publisher, EventHandlers {
  override transportId = eventTransport;
  override readonly propagatesEventHandlerErrors = true;
  readonly #relay: Relay;
  readonly #consumer: Consumer;

  constructor(database: Database, relay: Relay, { service, ...options }: LocalTransportOptions) {
    super();
    this.#relay = relay;
    this.#consumer = new Consumer(new Inbox(database, service), this, options);
  }

  /** Called by Nest once all handlers are known. */
  listen(callback: (error?: unknown) => void): void {
    const doubled = [...this.messageHandlers].find(([, handler]) => handler.next);
    if (doubled) {
      callback(new Error(`${doubled[0]} has two handlers in one service: their effects share a transaction, so make them one.`));
      return;
    }
    this.#relay.start(this);
    callback();
  }

  /** Finishes the events in flight. */
  async close(): Promise<void> {
    await this.#relay.stop();
  }

  publish(events: readonly StoredEvent[], lease: Lease, signal: AbortSignal): Promise<Publication> {
    return this.#consumer.consume(events, lease, signal);
  }

  has(topic: string): boolean {
    return this.messageHandlers.has(topic);
  }

  /** Runs the handler through Nest's pipeline. @throws what the handler threw. */
  async handle(event: StoredEvent): Promise<void> {
    const handler = this.messageHandlers.get(event.topic)!;
    const received = receive(event, handler);
    const result: unknown = await handler(received, new BaseRpcContext([received]));
    if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined }); // Nest hands errors on in one.
  }

  on(): void {}

  unwrap<T>(): T {
    return this.#relay as T;
  }
}

function receive({ eventId, topic, key, tenant, payload, headers }: StoredEvent, handler: MessageHandler): Received<DescMessage> {
  if (!tenant) throw new Error(`Event ${eventId} has no tenant.`);
  return Object.freeze({
    ...{ eventId, topic, key, tenant },
    time: new Date(headers.ce_time),
    data: fromBinary(handler.extras!.schema as DescMessage, payload),
  });
}
