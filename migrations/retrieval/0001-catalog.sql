-- Collections, their items and what is derived from items. Every table has a tenant, forced row-level security and one
-- policy for both roles; collection has a second one.

-- The tenant named for this transaction, null when none is.
create function retrieval.current_tenant() returns uuid language sql stable
  return nullif(current_setting('app.tenant', true), '')::uuid;

create table retrieval.collection (
  tenant_id uuid not null,
  name text not null,
  spaces jsonb not null,
  position bigint not null default 0, -- of the last change; its row lock makes commit order log order
  created_at timestamptz not null default now(),
  primary key (tenant_id, name)
);

create table retrieval.item (
  tenant_id uuid not null,
  collection text not null,
  id text not null,
  title text not null default '',
  body text not null default '',
  attributes jsonb not null default '{}',
  content_hash text not null,
  position bigint not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, collection, id),
  foreign key (tenant_id, collection) references retrieval.collection on delete cascade
);

create index item_position on retrieval.item (tenant_id, collection, position);

create table retrieval.item_vector (
  tenant_id uuid not null,
  collection text not null,
  item_id text not null,
  space text not null,
  part integer not null,
  model_version text not null,
  vector bytea not null, -- float32, little endian
  primary key (tenant_id, collection, item_id, space, part),
  foreign key (tenant_id, collection, item_id) references retrieval.item on delete cascade
);

create table retrieval.item_image (
  tenant_id uuid not null,
  collection text not null,
  item_id text not null,
  part integer not null,
  sha256 text not null,
  bytes integer not null,
  primary key (tenant_id, collection, item_id, part),
  foreign key (tenant_id, collection, item_id) references retrieval.item on delete cascade
);

create table retrieval.item_tombstone (
  tenant_id uuid not null,
  collection text not null,
  item_id text not null,
  position bigint not null,
  primary key (tenant_id, collection, item_id),
  foreign key (tenant_id, collection) references retrieval.collection on delete cascade
);

create index item_tombstone_position on retrieval.item_tombstone (tenant_id, collection, position);

create table retrieval.collection_statistics (
  tenant_id uuid not null,
  collection text not null,
  items bigint not null default 0,
  images bigint not null default 0,
  upserts bigint not null default 0,
  deletes bigint not null default 0,
  last_change_at timestamptz,
  primary key (tenant_id, collection),
  foreign key (tenant_id, collection) references retrieval.collection on delete cascade
);

do $$
declare name text;
begin
  foreach name in array array['collection', 'item', 'item_vector', 'item_image', 'item_tombstone', 'collection_statistics'] loop
    execute format('alter table retrieval.%I enable row level security, force row level security', name);
    execute format('create policy tenant on retrieval.%I to retrieval, retrieval_system
      using (tenant_id = retrieval.current_tenant()) with check (tenant_id = retrieval.current_tenant())', name);
    execute format('grant select, insert, update, delete on retrieval.%I to retrieval, retrieval_system', name);
  end loop;
end $$;

-- The directory from which indexes are rebuilt at start: all collections, read only; their items need the tenant.
create policy directory on retrieval.collection for select to retrieval_system using (true);
