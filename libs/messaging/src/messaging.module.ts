import { randomUUID } from 'node:crypto';
import { type DynamicModule, Module } from '@nestjs/common';
import { Database } from '@touchstone/persistence';
import { systemClock } from '@touchstone/runtime/clock';
import { defaultRetryPolicy } from './delivery/backoff.ts';
import type { ConsumerOptions } from './delivery/consumer.ts';
import { EventTransport } from './delivery/event-transport.ts';
import { Inbox } from './delivery/inbox.ts';
import { LocalTransport } from './delivery/local-transport.ts';
import { type KafkaOptions, KafkaTransport } from './kafka/kafka-transport.ts';
import { MessagingHealth } from './messaging-health.ts';
import { MessagingMetrics } from './messaging-metrics.ts';
import { Outbox } from './outbox/outbox.ts';
import { OutboxReader } from './relay/outbox-reader.ts';
import { Relay, relayDefaults, type RelayOptions } from './relay/relay.ts';

export interface MessagingOptions extends RelayOptions, Partial<ConsumerOptions> {
  /** Whose outbox and inbox; also the consumer group. */
  readonly service: string;
  /** Events handed over at once. Default 100, through Kafka 500. */
  readonly batchSize?: number;
  /** Events travel through Kafka. Without it they go to the service's own handlers. */
  readonly kafka?: KafkaOptions;
}

/**
 * Provides `Outbox`, `EventTransport` and `MessagingHealth` to a whole service; needs `PersistenceModule`. Events flow
 * once the application has connected the transport:
 *
 * ```ts
 * app.connectMicroservice({ strategy: app.get(EventTransport) });
 * await app.startAllMicroservices();
 * ```
 */
@Module({})
export class MessagingModule {
  static forService({ service, kafka, retry = defaultRetryPolicy, random = Math.random, clock = systemClock, ...options }: MessagingOptions): DynamicModule {
    const { leaseMs = relayDefaults.leaseMs, batchSize = kafka ? 500 : 100 } = options;
    const consumer = { retry, random, clock };
    return {
      module: MessagingModule,
      global: true,
      providers: [
        {
          provide: Relay,
          inject: [Database],
          useFactory: (database: Database) => new Relay(new OutboxReader(database, { service, owner: randomUUID(), leaseMs, batchSize }), { ...options, leaseMs, clock }),
        },
        { provide: Outbox, inject: [Relay], useFactory: (relay: Relay) => new Outbox({ service, onCommitted: () => relay.wake(), now: clock.now }) },
        {
          provide: EventTransport,
          inject: [Relay, Database],
          useFactory: (relay: Relay, database: Database) => {
            const inbox = new Inbox(database, service);
            return kafka ? new KafkaTransport(relay, inbox, { ...consumer, ...kafka, service }) : new LocalTransport(relay, inbox, consumer);
          },
        },
        {
          provide: MessagingHealth,
          inject: [Database, EventTransport],
          useFactory: (database: Database, transport: EventTransport) => new MessagingHealth(database, service, transport),
        },
        // Nobody injects it: it lives with the application.
        { provide: MessagingMetrics, inject: [Database, EventTransport], useFactory: (database: Database, transport: EventTransport) => new MessagingMetrics(database, service, transport) },
      ],
      exports: [Outbox, EventTransport, MessagingHealth],
    };
  }
}
