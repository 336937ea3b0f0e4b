-- Answers to writes that their callers named by an Idempotency-Key, kept for 24 hours. A tenant's answers are under
-- row-level security, so that the key, the answer and the write itself are one transaction of the tenant's role. The
-- system role sees what is too old, to delete it.

create table compression.idempotency (
  tenant_id uuid not null,
  key text not null,
  request_hash bytea not null,
  answer bytea, -- null only within the transaction that writes it
  created_at timestamptz not null default now(),
  primary key (tenant_id, key)
);

create index idempotency_age on compression.idempotency (created_at);

alter table compression.idempotency enable row level security, force row level security;

create policy tenant on compression.idempotency to compression, compression_system
  using (tenant_id = compression.current_tenant()) with check (tenant_id = compression.current_tenant());

create policy expired on compression.idempotency to compression_system
  using (created_at <= now() - interval '24 hours') with check (false);

grant select, insert, update on compression.idempotency to compression;
grant select, delete on compression.idempotency to compression_system;
