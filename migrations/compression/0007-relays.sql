-- Relays that run, so that each knows its share of the ranges.
create table compression.relay (
  owner uuid primary key,
  expires_at timestamptz not null
);

grant select, insert, update, delete on compression.relay to compression_system;
