-- Rotation of keys, pages of them, and what was done to tenants and keys. The system role may add to the audit log and
-- read it; nobody may change it.

alter table gateway.api_key
  add column old_secret_hash bytea, -- of the secret before the last rotation
  add column old_secret_until timestamptz;

drop index gateway.api_key_tenant;
create index api_key_page on gateway.api_key (tenant_id, created_at, id);
create index tenant_page on gateway.tenant (created_at, id);

create table gateway.audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  key_id text, -- null for an operator's own command
  tenant_id uuid, -- of that key
  action text not null,
  target text not null,
  request_id text
);

grant select, insert on gateway.audit to gateway_system;
