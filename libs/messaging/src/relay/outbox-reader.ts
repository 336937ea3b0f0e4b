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
   * Renews the ranges that it holds, takes free ones up to its share, gives back what is above it, and reads the oldest
   * events of its ranges, in one statement. Nothing is in flight then, so a range changes hands between two batches.
   *
   * @param waitingKeys ordering keys to pass over.
   */
  async read(waitingKeys: readonly string[]): Promise<{ events: StoredEvent[]; lease: Lease }> {
    const { service, owner, leaseMs, batchSize } = this.options;
    const isOld = `expires_at <= now() + $2 * interval '0.6 ms'`;
    const rows = await this.database.systemQuery<OutboxRow>(
      `with alive as (
         insert into ${service}.relay (owner, expires_at)
         select $1::uuid, now() + $2 * interval '1 ms' where not exists (select from ${service}.relay where owner = $1 and not (${isOld}))
         on conflict (owner) do update set expires_at = excluded.expires_at
       ), share as (
         select ceil((select count(*) from ${service}.relay_lease)::numeric / (1 + (select count(*) from ${service}.relay where owner <> $1 and expires_at > now()))) as ranges
       ), mine_first as (
         select range, is_held, expires_at, row_number() over (order by is_held desc, range) <= share.ranges as is_in_share
         from (select *, owner is not distinct from $1 and expires_at > now() as is_held from ${service}.relay_lease) lease, share
         where is_held or expires_at <= now()
       ), due as (
         select range, is_in_share from mine_first where is_in_share and (not is_held or ${isOld}) or is_held and not is_in_share
       ), changed as (
         update ${service}.relay_lease lease
         set owner = case when is_in_share then $1::uuid end,
           fencing = fencing + (owner is distinct from $1 or expires_at <= now())::integer,
           expires_at = case when is_in_share then now() + $2 * interval '1 ms' else '-infinity' end
         from due
         where due.range = lease.range
           and lease.range in (${lockedRanges(service, `range in (select range from due) and (expires_at <= now() or owner = $1)`)} skip locked)
         returning lease.range, fencing, is_in_share
       ), held as (
         select range, fencing from changed where is_in_share
         union all
         select range, fencing from ${service}.relay_lease where owner = $1 and not (${isOld}) and range not in (select range from due)
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
      `with alive as (update ${service}.relay set expires_at = now() + $2 * interval '1 ms' where owner = $1)
       update ${service}.relay_lease set expires_at = now() + $2 * interval '1 ms' where range in (${lockedRanges(service, 'owner = $1')})`,
      [owner, leaseMs],
    );
  }

  async release(): Promise<void> {
    const { service, owner } = this.options;
    await this.database.systemQuery(
      `with gone as (delete from ${service}.relay where owner = $1 or expires_at < now() - interval '1 hour')
       update ${service}.relay_lease set owner = null, expires_at = '-infinity' where range in (${lockedRanges(service, 'owner = $1')})`,
      [owner],
    );
  }
}

const toEvent = ({ id, event_id, topic, key, tenant_id, payload, headers }: OutboxRow): StoredEvent => ({
  ...{ id, eventId: event_id, topic, key, payload, headers },
  tenant: tenant_id === null ? undefined : { id: tenant_id },
});
