-- What a scan for duplicates finds is stored in pages before its checkpoint: each says to which it belongs. At its end it is read in
-- pages of pairs.

alter table retrieval.duplicate_found add column step integer not null default 0;
create index duplicate_found_pair on retrieval.duplicate_found (tenant_id, operation_id, a, b);
drop index retrieval.duplicate_found_operation;
