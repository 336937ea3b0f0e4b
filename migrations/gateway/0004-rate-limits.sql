-- How often a tenant may call, counted over all gateways.

alter table gateway.tenant add column requests_per_minute integer check (requests_per_minute > 0); -- null: the default

create table gateway.request_count (
  tenant_id uuid primary key references gateway.tenant on delete cascade,
  minute timestamptz not null, -- by the database's clock, so that those of the gateways need not agree
  taken bigint not null -- requests that gateways have taken for themselves; what exceeds the limit was not granted
);

grant select, insert, update on gateway.request_count to gateway_system;
