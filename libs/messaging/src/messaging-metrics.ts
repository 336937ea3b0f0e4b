import type { OnApplicationShutdown } from '@nestjs/common';
import type { Database } from '@touchstone/persistence';
import { ObservedGauge } from '@touchstone/runtime/metrics';
import type { EventTransport } from './delivery/event-transport.ts';

const events = new ObservedGauge({ name: 'touchstone_outbox_events', help: 'Events that wait in the outbox, counted up to 100,000.', labelNames: ['service'] });
const age = new ObservedGauge({ name: 'touchstone_outbox_age_seconds', help: 'How long the oldest event of the outbox has waited.', labelNames: ['service'] });
const deadLetters = new ObservedGauge({ name: 'touchstone_dead_letters', help: 'Events whose attempts are used up, and those behind them.', labelNames: ['service'] });
const lag = new ObservedGauge({ name: 'touchstone_consumer_lag_events', help: 'Events that wait in the partitions of this process.', labelNames: ['service', 'topic'] });

/** What a service's events look like to `/metrics`. Read from the tables and the broker: of the tables every replica says the same. */
export class MessagingMetrics implements OnApplicationShutdown {
  readonly #ends: readonly (() => void)[];

  constructor(database: Database, service: string, transport: EventTransport) {
    const read = async (sql: string): Promise<number> => (await database.systemQuery<{ value: number }>(sql))[0].value;
    this.#ends = [
      events.observe(async (set) => set({ service }, await read(`select count(*)::integer as value from (select 1 from ${service}.outbox limit 100000) waiting`))),
      age.observe(async (set) =>
        set({ service }, await read(`select coalesce(extract(epoch from now() - min(created_at)), 0)::double precision as value from ${service}.outbox`)),
      ),
      deadLetters.observe(async (set) => set({ service }, await read(`select count(*)::integer as value from ${service}.dead_letter`))),
      lag.observe(async (set) => {
        for (const [topic, waiting] of await transport.lag()) set({ service, topic }, waiting);
      }),
    ];
  }

  onApplicationShutdown(): void {
    for (const end of this.#ends) end();
  }
}
