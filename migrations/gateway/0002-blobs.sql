-- Blobs and the uploads that become them. The bytes lie in the blob folder; a blob without its row is nobody's.

-- The tenant named for this transaction, null when none is.
create or replace function gateway.current_tenant() returns uuid language sql stable
  return nullif(current_setting('app.tenant', true), '')::uuid;

create table gateway.blob (
  tenant_id uuid not null references gateway.tenant on delete cascade,
  id text not null check (id ~ '^[0-9a-f]{64}$'), -- SHA-256 of the bytes
  bytes bigint not null,
  media_type text not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id)
);

create table gateway.upload (
  tenant_id uuid not null references gateway.tenant on delete cascade,
  id text not null check (id ~ '^[0-9a-f]{32}$'),
  bytes bigint not null,
  media_type text not null,
  sha256 text, -- what the client announced
  parts text[] not null default '{}', -- names of files, in order
  received bigint not null default 0, -- bytes in these files
  blob_id text,
  expires_at timestamptz not null,
  primary key (tenant_id, id)
);

do $$
declare name text;
begin
  foreach name in array array['blob', 'upload'] loop
    execute format('alter table gateway.%I enable row level security, force row level security', name);
    execute format('create policy tenant on gateway.%I to gateway, gateway_system
      using (tenant_id = gateway.current_tenant()) with check (tenant_id = gateway.current_tenant())', name);
    execute format('grant select, insert, update, delete on gateway.%I to gateway, gateway_system', name);
  end loop;
end $$;
