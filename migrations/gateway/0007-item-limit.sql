-- How many items a tenant may store: the gateway says so to services in the caller's token, retrieval counts.

alter table gateway.tenant add column items integer check (items >= 0); -- null: the default
