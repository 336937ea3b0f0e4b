import { fromBinary, type DescMessage } from '@bufbuild/protobuf';
import { BaseRpcContext, type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import type { Health } from '@touchstone/runtime/lifecycle';
import { isObservable, lastValueFrom } from 'rxjs';
import type { StoredEvent } from '../outbox/stored-event.ts';
import type { Publication, Publisher, Relay } from '../relay/relay.ts';
import type { Claim } from './claim.ts';
import { Consumer, type ConsumerOptions, type EventHandlers, type InboxStore } from './consumer.ts';
import { eventTransport, type Received } from './on-event.ts';

/**
 * How a service's events leave its outbox and reach handlers; LocalTransport or KafkaTransport.
 *
 * A Nest strategy: `app.connectMicroservice({ strategy: app.get(EventTransport) })`.
 */
export abstract class EventTransport extends Server implements CustomTransportStrategy, Publisher, EventHandlers {
  override transportId = eventTransport;
  override readonly propagatesEventHandlerErrors = true;
  protected readonly consumer: Consumer;

  constructor(
    protected readonly relay: Relay,
    inbox: InboxStore,
    options: ConsumerOptions,
  ) {
    super();
    this.consumer = new Consumer(inbox, this, options);
  }

  /** Called by Nest once all handlers are known. */
  listen(callback: (error?: unknown) => void): void {
    const doubled = [...this.messageHandlers].find(([, handler]) => handler.next);
    if (doubled) {
      callback(new Error(`${doubled[0]} has two handlers in one service: their effects share a transaction, so make them one.`));
      return;
    }
    this.relay.start(this);
    callback();
  }

  /** Finishes the events in flight. */
  async close(): Promise<void> {
    await this.relay.stop();
  }

  abstract publish(events: readonly StoredEvent[], claim: Claim, signal: AbortSignal): Promise<Publication>;

  /** Events that wait in this process's share of the topics, by topic; empty without topics. @throws when the broker does not answer. */
  abstract lag(): Promise<ReadonlyMap<string, number>>;

  /** What the transport needs beside the database. */
  abstract health(): readonly Health[];

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
    return this.relay as T;
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
