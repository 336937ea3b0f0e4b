import type { Health } from '@touchstone/runtime/lifecycle';
import type { StoredEvent } from '../outbox/stored-event.ts';
import type { Publication } from '../relay/relay.ts';
import type { Claim } from './claim.ts';
import { EventTransport } from './event-transport.ts';

/**
 * Events without a broker: the service's relay hands the rows of its outbox to the service's own handlers, and a row
 * stays until its effect is committed or it is a dead letter.
 */
export class LocalTransport extends EventTransport {
  publish(events: readonly StoredEvent[], claim: Claim, signal: AbortSignal): Promise<Publication> {
    return this.consumer.consume(events, claim, signal);
  }

  /** What waits, waits in the outbox. */
  async lag(): Promise<ReadonlyMap<string, number>> {
    return new Map();
  }

  health(): readonly Health[] {
    return [];
  }
}
