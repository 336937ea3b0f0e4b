-- Pictures whose tokens are kept for a time, and which of them were chosen. The tokens themselves are blobs of the tenant.

-- The tenant named for this transaction, null when none is.
create function compression.current_tenant() returns uuid language sql stable
  return nullif(current_setting('app.tenant', true), '')::uuid;

create table compression.encoding (
  tenant_id uuid not null,
  id text not null check (id ~ '^[0-9a-f]{32}$'), -- of the picture, the encoder's version and its parameters
  picture_sha256 text not null,
  encoder text not null,
  encoder_version text not null,
  select_layer integer not null,
  momentum double precision not null,
  rows integer not null,
  columns integer not null,
  width integer not null,
  blob_id text not null, -- all tokens, and what methods choose by
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (tenant_id, id)
);

create table compression.compression (
  tenant_id uuid not null,
  id text not null check (id ~ '^[0-9a-f]{32}$'), -- of the encoding, the method, its parameters and the budget
  encoding_id text not null,
  method text not null,
  seed bigint not null,
  indices integer[] not null,
  scores bytea not null, -- float32, little endian
  blob_id text not null, -- the kept tokens
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, encoding_id) references compression.encoding on delete cascade
);

create index compression_encoding on compression.compression (tenant_id, encoding_id);
create index encoding_expiry on compression.encoding (expires_at);
create index compression_expiry on compression.compression (expires_at);

do $$
declare name text;
begin
  foreach name in array array['encoding', 'compression'] loop
    execute format('alter table compression.%I enable row level security, force row level security', name);
    execute format('create policy tenant on compression.%I to compression, compression_system
      using (tenant_id = compression.current_tenant()) with check (tenant_id = compression.current_tenant())', name);
    -- Whichever replica comes first drops what is over, of all tenants.
    execute format('create policy expired on compression.%I to compression_system
      using (expires_at <= now()) with check (false)', name);
    execute format('grant select, insert, update, delete on compression.%I to compression, compression_system', name);
  end loop;
end $$;
