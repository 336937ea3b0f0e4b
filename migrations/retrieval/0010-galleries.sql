-- Galleries: reference items that the items of other collections are compared with as they are written.

create table retrieval.gallery (
  tenant_id uuid not null,
  name text not null,
  policy text not null,
  reference_collection text not null,
  thresholds jsonb not null,
  revision integer not null default 1,
  sequence bigint not null default 0, -- of the newest match; its row lock makes commit order the order of matches
  created_at timestamptz not null default now(),
  primary key (tenant_id, name),
  foreign key (tenant_id, reference_collection) references retrieval.collection on delete cascade
);

create table retrieval.gallery_watch (
  tenant_id uuid not null,
  gallery text not null,
  collection text not null,
  position bigint not null default 0, -- in the collection's log, up to which its items have been matched
  primary key (tenant_id, gallery, collection),
  foreign key (tenant_id, gallery) references retrieval.gallery on delete cascade,
  foreign key (tenant_id, collection) references retrieval.collection on delete cascade
);

create table retrieval.gallery_match (
  tenant_id uuid not null,
  gallery text not null,
  collection text not null,
  item_id text not null,
  reference_id text not null,
  category text not null,
  score double precision not null,
  threshold double precision not null,
  space text not null,
  kind text not null,
  part integer not null,
  position bigint not null,
  sequence bigint not null,
  matched_at timestamptz not null default now(),
  primary key (tenant_id, gallery, collection, item_id, reference_id),
  foreign key (tenant_id, gallery, collection) references retrieval.gallery_watch on delete cascade
);

create index gallery_match_sequence on retrieval.gallery_match (tenant_id, gallery, sequence);

do $$
declare name text;
begin
  foreach name in array array['gallery', 'gallery_watch', 'gallery_match'] loop
    execute format('alter table retrieval.%I enable row level security, force row level security', name);
    execute format('create policy tenant on retrieval.%I to retrieval, retrieval_system
      using (tenant_id = retrieval.current_tenant()) with check (tenant_id = retrieval.current_tenant())', name);
    execute format('grant select, insert, update, delete on retrieval.%I to retrieval', name);
  end loop;
end $$;

-- The directory of what is to be matched: which collection, how far; its items and references need the tenant.
create policy directory on retrieval.gallery_watch for select to retrieval_system using (true);
grant select on retrieval.gallery_watch to retrieval_system;
