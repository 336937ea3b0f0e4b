-- How events stay in order: those of one tenant's key belong to one range, and a relay publishes the ranges that it
-- holds. Another number of ranges is another migration.

-- Range 0 to 7 of an ordering key. Part of a generated column, so it must never answer differently.
create function compression.event_range(tenant_id uuid, key text) returns smallint language sql immutable
  return (hashtext(coalesce(tenant_id::text, '') || '/' || key) & 7)::smallint;

alter table compression.outbox add column range smallint not null generated always as (compression.event_range(tenant_id, key)) stored;

create index outbox_range on compression.outbox (range, id);

insert into compression.relay_lease (range, expires_at) select range, '-infinity' from generate_series(0, 7) range;

-- A dead letter knows its place in the outbox, so that a replay puts it back there, before later events of its key.
alter table compression.dead_letter add column outbox_id bigint not null;

drop index compression.dead_letter_key;

create index dead_letter_key on compression.dead_letter (consumer, key, tenant_id);

-- For pruning; rows come in order of time.
create index inbox_received_at on compression.inbox using brin (received_at);
