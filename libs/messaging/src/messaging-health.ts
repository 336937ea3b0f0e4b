import type { Database } from '@touchstone/persistence';
import type { Health } from '@touchstone/runtime/lifecycle';
import type { EventTransport } from './delivery/event-transport.ts';

/** Beyond this age of an event something is stuck; all attempts at a failing one take about two minutes. */
const longestWaitMs = 300_000;

/** What operators watch of a service's events. */
export class MessagingHealth {
  constructor(
    private readonly database: Database,
    private readonly service: string,
    private readonly transport: EventTransport,
  ) {}

  /** Parts `outbox` (age of the oldest event), `dead-letters` (how many; they need a person, but stop no request) and what the transport needs. */
  async health(): Promise<readonly Health[]> {
    const transport = this.transport.health();
    try {
      const { age, count } = await this.#read();
      return [
        { part: 'outbox', isReady: age <= longestWaitMs, detail: age === 0 ? undefined : `The oldest event has waited for ${Math.round(age / 1_000)} s.` },
        { part: 'dead-letters', isReady: true, detail: count === 0 ? undefined : `${count} dead letters: their keys are parked until they are replayed.` },
        ...transport,
      ];
    } catch (error) {
      return [{ part: 'outbox', isReady: false, detail: (error as Error).message }, ...transport];
    }
  }

  /** Milliseconds that the oldest event has waited, 0 when there is none; number of dead letters. */
  async #read(): Promise<{ age: number; count: number }> {
    const [row] = await this.database.systemQuery<{ age: number; count: number }>(
      `select coalesce((select extract(epoch from now() - min(created_at)) * 1000 from ${this.service}.outbox), 0)::double precision as age,
              (select count(*)::integer from ${this.service}.dead_letter where consumer = $1) as count`,
      [this.service],
    );
    return row;
  }
}
