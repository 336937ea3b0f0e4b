-- Items of a collection, counted by its writers, who hold its row until they commit.

alter table retrieval.collection add column items bigint not null default 0;

alter table retrieval.item no force row level security; -- for the owner, and for this statement
alter table retrieval.collection no force row level security;
update retrieval.collection c set items = (select count(*) from retrieval.item i where i.tenant_id = c.tenant_id and i.collection = c.name);
alter table retrieval.item force row level security;
alter table retrieval.collection force row level security;
