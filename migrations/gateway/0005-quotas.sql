-- What a tenant may store, and how often a key may call, counted over all gateways.

alter table gateway.tenant add column blob_bytes bigint check (blob_bytes >= 0); -- null: the default
alter table gateway.api_key add column requests_per_minute integer check (requests_per_minute > 0); -- null: only its tenant's limit

create table gateway.key_request_count (
  key_id text primary key references gateway.api_key on delete cascade,
  minute timestamptz not null,
  taken bigint not null
);

grant select, insert, update on gateway.key_request_count to gateway_system;

-- Bytes of a tenant's blobs. Its row is locked by whoever stores or deletes one until the commit.
create table gateway.blob_usage (
  tenant_id uuid primary key references gateway.tenant on delete cascade,
  bytes bigint not null
);

alter table gateway.blob no force row level security; -- for the owner, and for this statement
insert into gateway.blob_usage select tenant_id, sum(bytes) from gateway.blob group by tenant_id;
alter table gateway.blob force row level security;

alter table gateway.blob_usage enable row level security, force row level security;
create policy tenant on gateway.blob_usage to gateway, gateway_system
  using (tenant_id = gateway.current_tenant()) with check (tenant_id = gateway.current_tenant());
grant select, insert, update on gateway.blob_usage to gateway, gateway_system;
