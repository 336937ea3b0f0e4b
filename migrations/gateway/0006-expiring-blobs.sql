-- Blobs that services write for a time: at its end they are as good as deleted, and the sweep does it.

alter table gateway.blob add column expires_at timestamptz; -- null: it stays until it is deleted

create index blob_expiry on gateway.blob (tenant_id, expires_at) where expires_at is not null;
