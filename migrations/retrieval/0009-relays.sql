-- Relays that run, so that each knows its share of the ranges.
create table retrieval.relay (
  owner uuid primary key,
  expires_at timestamptz not null
);

grant select, insert, update, delete on retrieval.relay to retrieval_system;
