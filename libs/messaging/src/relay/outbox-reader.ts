import type { Database } from '@touchstone/persistence';
import type { StoredEvent } from '../outbox/stored-event.ts';
import { Lease, lockedRanges } from './lease.ts';

/** Most bytes of payload in one read, beyond its first event. */
const maximumReadBytes = 8_000_000;

interface OutboxRow {
  id: string;
  event_id: string;
  topic: string;
  key: string;
  tenant_id: string | null;
  payload: Buffer;
  headers: Record<string, string>;
  range: number;
  fencing: string;
}

/** A relay's statements on outbox and leases, each of them a transaction. */
export class OutboxReader {
  constructor(
    private readonly database: Database,
    private readonly options: { service: string; owner: string; leaseMs: number; batchSize: number },
  ) {}

  /**
   * Takes free ranges, renews those that it holds, and reads the oldest events of both, in one statement.
   *
   * @param waitingKeys ordering keys to pass over.
   */
  async read(waitingKeys: readonly string[]): Promise<{ events: StoredEvent[]; lease: Lease }> {
    const { service, owner, leaseMs, batchSize } = this.options;
    const rows = await this.database.systemQuery<OutboxRow>(
      `with renewed as (
         update ${service}.relay_lease
         set owner = $1, fencing = fencing + (owner is distinct from $1 or expires_at <= now())::integer, expires_at = now() + $2 * interval '1 ms'
         where range in (${lockedRanges(service, `expires_at <= now() or (owner = $1 and expires_at <= now() + $2 * interval '0.6 ms')`)} skip locked)
         returning range, fencing
       ), held as (
         select range, fencing from renewed
         union all
         select range, fencing from ${service}.relay_lease where owner = $1 and expires_at > now() + $2 * interval '0.6 ms'
       ), oldest as (
         select held.fencing, event.* from held cross join lateral (
           select * from ${service}.outbox
           where outbox.range = held.range and coalesce(tenant_id::text, '') || '/' || key <> all ($3)
           order by id limit $4
         ) event
         order by id limit $4
       )
       select id, event_id, topic, key, tenant_id, payload, headers, range, fencing
       from (select *, sum(length(payload)) over (order by id) - length(payload) as bytes_before from oldest) counted
       where bytes_before <= ${maximumReadBytes}
       order by id`,
      [owner, leaseMs, waitingKeys, batchSize],
    );
    return { events: rows.map(toEvent), lease: new Lease(this.database, service, owner, new Map(rows.map(({ range, fencing }) => [range, fencing]))) };
  }

  /** @throws LeaseLost, and nothing was removed. */
  async remove(events: readonly StoredEvent[], lease: Lease): Promise<void> {
    const { sql, parameters } = lease.held();
    // A crash of the server may bring rows back; their receivers know them. Without the flush each batch costs less.
    const [{ ranges }] = await this.database.systemQuery<{ ranges: number }>(
      `with held as (${sql} order by lease.range for share of lease),
         removed as (
           delete from ${this.options.service}.outbox
           where id = any ($4::bigint[]) and (select count(*) from held) = cardinality($2::integer[]) and set_config('synchronous_commit', 'off', true) = 'off'
         )
       select count(*)::integer as ranges from held`,
      [...parameters, events.map(({ id }) => id)],
    );
    lease.demand(ranges);
  }

  async renew(): Promise<void> {
    const { service, owner, leaseMs } = this.options;
    await this.database.systemQuery(
      `update ${service}.relay_lease set expires_at = now() + $2 * interval '1 ms' where range in (${lockedRanges(service, 'owner = $1')})`,
      [owner, leaseMs],
    );
  }

  async release(): Promise<void> {
    const { service, owner } = this.options;
    await this.database.systemQuery(
      `update ${service}.relay_lease set owner = null, expires_at = '-infinity' where range in (${lockedRanges(service, 'owner = $1')})`,
      [owner],
    );
  }
}

const toEvent = ({ id, event_id, topic, key, tenant_id, payload, headers }: OutboxRow): StoredEvent => ({
  ...{ id, eventId: event_id, topic, key, payload, headers },
  tenant: tenant_id === null ? undefined : { id: tenant_id },
});
