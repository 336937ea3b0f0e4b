import type { OnApplicationShutdown } from '@nestjs/common';
import type { Database } from '@touchstone/persistence';
import { ObservedGauge } from '@touchstone/runtime/metrics';

const operations = new ObservedGauge({
  name: 'touchstone_operations',
  help: 'Operations that have not ended, by state: running (with a worker) or waiting (for one, or for their next attempt).',
  labelNames: ['service', 'state'],
});

/** What a service's operations look like to `/metrics`. Read from the table, so every replica says the same. */
export class OperationMetrics implements OnApplicationShutdown {
  readonly #end: () => void;

  constructor(database: Database, service: string) {
    this.#end = operations.observe(async (set) => {
      const [{ running, waiting }] = await database.systemQuery<{ running: number; waiting: number }>(
        `select count(*) filter (where expires_at > now())::integer as running, count(*) filter (where expires_at <= now())::integer as waiting
         from ${service}.operation_queue`,
      );
      set({ service, state: 'running' }, running);
      set({ service, state: 'waiting' }, waiting);
    });
  }

  onApplicationShutdown(): void {
    this.#end();
  }
}
