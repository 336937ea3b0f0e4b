-- Tenants and their API keys. The gateway reads them before it knows a tenant, so no row-level security:
-- only the system role may touch them.

create table gateway.tenant (
  id uuid primary key,
  name text not null unique check (name <> ''),
  created_at timestamptz not null default now()
);

create table gateway.api_key (
  id text primary key,
  tenant_id uuid not null references gateway.tenant on delete cascade,
  secret_hash bytea not null,
  scopes text[] not null,
  name text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);

create index api_key_tenant on gateway.api_key (tenant_id);

grant select, insert, update, delete on gateway.tenant, gateway.api_key to gateway_system;
