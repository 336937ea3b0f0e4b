import { type DynamicModule, Module } from '@nestjs/common';
import { Database } from '@touchstone/persistence';
import { systemClock } from '@touchstone/runtime/clock';
import { defaultRetryPolicy } from './delivery/backoff.ts';
import type { ConsumerOptions } from './delivery/consumer.ts';
import { LocalTransport } from './delivery/local-transport.ts';
import { MessagingHealth } from './messaging-health.ts';
import { MessagingMetrics } from './messaging-metrics.ts';
import { Outbox } from './outbox/outbox.ts';
import { Relay, type RelayOptions } from './relay/relay.ts';

export interface MessagingOptions extends RelayOptions, Partial<ConsumerOptions> {}

/**
 * Provides `Outbox`, `LocalTransport` and `MessagingHealth` to a whole service; needs `PersistenceModule`. Events flow
 * once the application has connected the transport:
 *
 * ```ts
 * app.connectMicroservice({ strategy: app.get(LocalTransport) });
 * await app.startAllMicroservices();
 * ```
 */
@Module({})
export class MessagingModule {
  static forService({ retry = defaultRetryPolicy, random = Math.random, clock = systemClock, ...options }: MessagingOptions): DynamicModule {
    const { service } = options;
    return {
      module: MessagingModule,
      global: true,
      providers: [
        { provide: Relay, inject: [Database], useFactory: (database: Database) => new Relay(database, { ...options, clock }) },
        { provide: Outbox, inject: [Relay], useFactory: (relay: Relay) => new Outbox({ service, onCommitted: () => relay.wake(), now: clock.now }) },
        {
          provide: LocalTransport,
          inject: [Database, Relay],
          useFactory: (database: Database, relay: Relay) => new LocalTransport(database, relay, { service, retry, random, clock }),
        },
        { provide: MessagingHealth, inject: [Database], useFactory: (database: Database) => new MessagingHealth(database, service) },
        // Nobody injects it: it lives with the application.
        { provide: MessagingMetrics, inject: [Database], useFactory: (database: Database) => new MessagingMetrics(database, service) },
      ],
      exports: [Outbox, LocalTransport, MessagingHealth],
    };
  }
}
