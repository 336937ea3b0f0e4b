-- Duplicates of items: what an item is a duplicate of, the pairs that scans find, and hashes of pictures.

alter table retrieval.item
  add column keeper text; -- id of the item that this one is a duplicate of; set with a position, like every change

-- Two items, the older one as keeper. Gone with either of them.
create table retrieval.duplicate (
  tenant_id uuid not null,
  collection text not null,
  id text not null, -- of the ids of both items
  keeper text not null,
  duplicate text not null,
  state text not null default 'open' check (state in ('open', 'merged', 'dismissed')),
  strength double precision not null,
  evidence jsonb not null,
  operation_id text not null, -- of the scan that found it last
  found_at timestamptz not null default now(),
  decided_at timestamptz,
  primary key (tenant_id, collection, id),
  foreign key (tenant_id, collection, keeper) references retrieval.item on delete cascade,
  foreign key (tenant_id, collection, duplicate) references retrieval.item on delete cascade
);

create index duplicate_strength on retrieval.duplicate (tenant_id, collection, strength desc, id);
create index duplicate_keeper on retrieval.duplicate (tenant_id, collection, keeper);
create index duplicate_duplicate on retrieval.duplicate (tenant_id, collection, duplicate);

-- What a scan has found so far; committed with its checkpoints, and gone with its end.
create table retrieval.duplicate_found (
  tenant_id uuid not null,
  collection text not null,
  operation_id text not null,
  a text not null, -- the item whose id comes first
  b text not null,
  strength double precision not null,
  evidence jsonb not null, -- one piece
  foreign key (tenant_id, operation_id) references retrieval.operation on delete cascade,
  foreign key (tenant_id, collection) references retrieval.collection on delete cascade
);

create index duplicate_found_operation on retrieval.duplicate_found (tenant_id, operation_id);

-- PDQ of a kept picture, made by the first scan that needs it.
create table retrieval.picture_hash (
  tenant_id uuid not null,
  sha256 text not null,
  hash bytea not null, -- 32 bytes
  quality smallint not null, -- 0 to 100
  primary key (tenant_id, sha256),
  foreign key (tenant_id, sha256) references retrieval.picture on delete cascade
);

do $$
declare name text;
begin
  foreach name in array array['duplicate', 'duplicate_found', 'picture_hash'] loop
    execute format('alter table retrieval.%I enable row level security, force row level security', name);
    execute format('create policy tenant on retrieval.%I to retrieval, retrieval_system
      using (tenant_id = retrieval.current_tenant()) with check (tenant_id = retrieval.current_tenant())', name);
    execute format('grant select, insert, update, delete on retrieval.%I to retrieval, retrieval_system', name);
  end loop;
end $$;
