-- The log of a collection has a key of its own. An index on (tenant_id, collection, position) seemed as good as the primary
-- key for a look-up by id while nobody had analysed the table yet, so each foreign key's check read the whole collection,
-- and a first import grew with the square of its length (services/retrieval/src/item/plans.db.spec.ts).

-- Names a collection's log. Part of a generated column, so it must never answer differently.
create function retrieval.log_of(tenant_id uuid, collection text) returns bigint language sql immutable
  return hashtextextended(tenant_id::text || '/' || collection, 0);

alter table retrieval.item add column log bigint not null generated always as (retrieval.log_of(tenant_id, collection)) stored;
alter table retrieval.item_tombstone add column log bigint not null generated always as (retrieval.log_of(tenant_id, collection)) stored;

drop index retrieval.item_position;
drop index retrieval.item_tombstone_position;
create index item_log on retrieval.item (log, position);
create index item_tombstone_log on retrieval.item_tombstone (log, position);
