-- Long work. What a tenant sees of it is under row-level security; what is to be done next belongs to no tenant's
-- session: the tenant role may post into the queue (INSERT, never SELECT), all else is the system role's.

create table compression.operation (
  tenant_id uuid not null,
  id text not null,
  kind text not null,
  state text not null default 'queued' check (state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  sequence integer not null default 1, -- grows with each change, for who watches
  done double precision not null default 0,
  total double precision,
  input json not null, -- json, not jsonb: kept as it came, the character U+0000 too
  checkpoint json,
  result json,
  problem json,
  is_cancel_requested boolean not null default false,
  attempts integer not null default 0, -- since the last checkpoint
  fencing bigint not null default 0, -- of the worker that may write; grows with each change of hands
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id)
);

alter table compression.operation enable row level security, force row level security;

create policy tenant on compression.operation to compression, compression_system
  using (tenant_id = compression.current_tenant()) with check (tenant_id = compression.current_tenant());

grant select, insert, update on compression.operation to compression, compression_system;

-- Operations that are not finished.
create table compression.operation_queue (
  tenant_id uuid not null,
  id text not null,
  kind text not null,
  next_attempt_at timestamptz not null default now(),
  owner uuid, -- the worker
  expires_at timestamptz not null default '-infinity', -- of its lease
  primary key (tenant_id, id),
  foreign key (tenant_id, id) references compression.operation on delete cascade
);

grant insert on compression.operation_queue to compression;
grant select, insert, update, delete on compression.operation_queue to compression_system;
