import type { Database } from '@touchstone/persistence';
import { isReplayed, kafkaOffset, replayed, type StoredEvent } from '../outbox/stored-event.ts';
import type { Claim } from './claim.ts';
import type { DeliveryState } from './delivery-plan.ts';
import type { EntityManager } from 'typeorm';

interface StateRow {
  /** Rows of the claim that were held. */
  readonly held: number;
  readonly id: string;
  readonly received: boolean;
  readonly parked: boolean;
  readonly behind: boolean;
  readonly attempts: number | null;
  readonly next: Date | null;
}

/** Burying and replaying take turns: what is buried behind a letter is replayed with it. */
export const lockDeadLetters = (service: string): string => `lock table ${service}.dead_letter in share row exclusive mode`;

/** Of the events of one transaction at least one has its effect already. */
export class AlreadyReceived extends Error {
  override readonly name = 'AlreadyReceived';
}

/** What one consumer group has received, tried and given up; its tables are in the schema of the service. */
export class Inbox {
  /** @param service also the consumer group. */
  constructor(
    private readonly database: Database,
    private readonly service: string,
  ) {}

  /** What is known of events, by event id. @throws ClaimLost */
  async states(events: readonly StoredEvent[], claim: Claim): Promise<Map<string, DeliveryState>> {
    const { service } = this;
    const ofTheKey = (row: string) => `${row}.key = event.key and ${row}.tenant_id is not distinct from event.tenant_id`;
    const held = claim.rows?.held(6);
    const rows = await this.database.systemQuery<StateRow>(
      `select ${held ? `(select count(*)::integer from (${held.sql}) held)` : '0'} as held, event.id, inbox.event_id is not null as received, attempt.attempts, attempt.next_attempt_at as next,
         exists (select 1 from ${service}.dead_letter letter where letter.consumer = $1 and ${ofTheKey('letter')}) as parked,
         not event.replayed and exists (select 1 from ${service}.outbox where headers ? '${kafkaOffset}' and ${ofTheKey('outbox')}) as behind
       from unnest($2::uuid[], $3::text[], $4::uuid[], $5::boolean[]) as event (id, key, tenant_id, replayed)
       left join ${service}.inbox on inbox.consumer = $1 and inbox.event_id = event.id
       left join ${service}.event_attempt attempt on attempt.consumer = $1 and attempt.event_id = event.id`,
      [service, events.map(({ eventId }) => eventId), events.map(({ key }) => key), events.map(({ tenant }) => tenant?.id ?? null), events.map(isReplayed), ...(held?.parameters ?? [])],
    );
    // As good as the reading: a replay before it would have taken the lease.
    if (claim.rows) claim.rows.demand(rows[0].held);
    else await claim.check();
    return new Map(
      rows.map(({ id, received, parked, behind, attempts, next }) => [
        id,
        { isReceived: received, isParked: parked, isBehindReplay: behind, attempts: attempts ?? 0, nextAttemptAt: next?.getTime() },
      ]),
    );
  }

  /**
   * Handles events in one transaction, together with their inbox rows.
   *
   * @throws AlreadyReceived, or what a handler threw; nothing has happened then.
   */
  async apply(events: readonly StoredEvent[], handle: (event: StoredEvent) => Promise<void>): Promise<void> {
    await this.database.inboxTransaction(async (inbox) => {
      if ((await this.#insert(inbox.transaction, events)) < events.length) throw new AlreadyReceived();
      for (const event of events) await inbox.handle(event.tenant, () => handle(event));
    }, events[0].tenant);
  }

  /** Notes a failed attempt. @throws ClaimLost */
  async failed(event: StoredEvent, { attempts, cause, nextAttemptAt }: { attempts: number; cause: string; nextAttemptAt: number }, claim: Claim): Promise<void> {
    await this.database.systemTransaction(async (transaction) => {
      await claim.hold(transaction);
      await transaction.query(
        `insert into ${this.service}.event_attempt (consumer, event_id, attempts, last_error, next_attempt_at) values ($1, $2, $3, $4, $5)
         on conflict (consumer, event_id) do update
         set attempts = excluded.attempts, last_error = excluded.last_error, next_attempt_at = excluded.next_attempt_at`,
        [this.service, event.eventId, attempts, cause, new Date(nextAttemptAt)],
      );
    });
  }

  /**
   * Makes dead letters of events; their keys are parked from now on. None is buried while its key is being replayed, unless
   * it is part of that, and one without a failed attempt of its own only while its key is parked: a replay may have come first.
   *
   * @returns those that are dead letters now.
   * @throws ClaimLost
   */
  async bury(events: readonly StoredEvent[], { attempts, cause }: { attempts: number; cause: string }, claim: Claim): Promise<StoredEvent[]> {
    const { service } = this;
    return this.database.systemTransaction(async (transaction) => {
      await claim.hold(transaction);
      await transaction.query(lockDeadLetters(service));
      const buried: StoredEvent[] = [];
      for (const event of events) {
        const { id, topic, key, tenant, eventId, payload, headers } = event;
        const rows: unknown[] = await transaction.query(
          `insert into ${service}.dead_letter as letter (consumer, topic, key, tenant_id, event_id, payload, headers, cause, attempts, outbox_id)
           select $1, $2, $3, $4::uuid, $5::uuid, $6::bytea, $7::jsonb, $8, $9::integer,
             case when $7 ? '${kafkaOffset}' and not $7 ? '${replayed}' then 0 else $10::bigint end -- its place in this outbox, if it was there
           where ($9 > 0 or exists (select 1 from ${service}.dead_letter where consumer = $1 and key = $3 and tenant_id is not distinct from $4))
             and ($7 ? '${replayed}' or not exists (select 1 from ${service}.outbox where headers ? '${kafkaOffset}' and key = $3 and tenant_id is not distinct from $4))
           on conflict (consumer, event_id) do update set attempts = letter.attempts
           returning 1`,
          [service, topic, key, tenant?.id ?? null, eventId, payload, headers, cause, attempts, id],
        );
        if (rows.length > 0) buried.push(event);
      }
      await this.#forget(transaction, buried);
      return buried;
    });
  }

  /** Forgets failed attempts at events that have succeeded. */
  async forget(events: readonly StoredEvent[]): Promise<void> {
    await this.database.systemTransaction((transaction) => this.#forget(transaction, events));
  }

  /** Deletes rows of events that nobody delivers any more. */
  async prune(receivedBefore: Date): Promise<void> {
    await this.database.systemTransaction((transaction) =>
      transaction.query(`delete from ${this.service}.inbox where consumer = $1 and received_at < $2`, [this.service, receivedBefore]),
    );
  }

  async #insert(transaction: EntityManager, events: readonly StoredEvent[]): Promise<number> {
    const { affected } = await transaction.queryRunner!.query(
      `insert into ${this.service}.inbox (consumer, event_id, topic, key) select $1, * from unnest($2::uuid[], $3::text[], $4::text[]) on conflict do nothing`,
      [this.service, events.map(({ eventId }) => eventId), events.map(({ topic }) => topic), events.map(({ key }) => key)],
      true,
    );
    return affected ?? 0;
  }

  async #forget(transaction: EntityManager, events: readonly StoredEvent[]): Promise<void> {
    await transaction.query(`delete from ${this.service}.event_attempt where consumer = $1 and event_id = any ($2)`, [
      this.service,
      events.map(({ eventId }) => eventId),
    ]);
  }
}
