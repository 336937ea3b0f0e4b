-- Events out and in. These rows belong to no tenant's session, so no row-level security: the tenant role may post into
-- outbox and inbox (INSERT, never SELECT), all else is the system role's.

create table compression.outbox (
  id bigint generated always as identity primary key, -- order of insertion, not of commit
  topic text not null,
  key text not null,
  tenant_id uuid,
  event_id uuid not null unique,
  payload bytea not null,
  headers jsonb not null default '{}',
  created_at timestamptz not null default now()
);

create table compression.inbox (
  consumer text not null,
  event_id uuid not null,
  topic text not null,
  key text not null,
  received_at timestamptz not null default now(),
  primary key (consumer, event_id)
);

create table compression.event_attempt (
  consumer text not null,
  event_id uuid not null,
  attempts integer not null default 0,
  last_error text,
  next_attempt_at timestamptz not null default now(),
  primary key (consumer, event_id)
);

create table compression.dead_letter (
  id bigint generated always as identity primary key,
  consumer text not null,
  topic text not null,
  key text not null,
  tenant_id uuid,
  event_id uuid not null,
  payload bytea not null,
  headers jsonb not null default '{}',
  cause text not null,
  attempts integer not null,
  failed_at timestamptz not null default now(),
  unique (consumer, event_id)
);

create index dead_letter_key on compression.dead_letter (consumer, topic, key);

create table compression.relay_lease (
  range integer primary key,
  owner uuid,
  fencing bigint not null default 0,
  expires_at timestamptz not null
);

grant insert on compression.outbox, compression.inbox to compression;
grant select, insert, update, delete
  on compression.outbox, compression.inbox, compression.event_attempt, compression.dead_letter, compression.relay_lease
  to compression_system;
