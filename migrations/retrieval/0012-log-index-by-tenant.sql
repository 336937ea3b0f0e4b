-- Row-level security adds the tenant to every condition. With it in the index a page of a log is read from where it begins,
-- also while nobody has analysed the table; without, the keys of all the tenant's items were read for each page.

drop index retrieval.item_log;
drop index retrieval.item_tombstone_log;
create index item_log on retrieval.item (log, tenant_id, position);
create index item_tombstone_log on retrieval.item_tombstone (log, tenant_id, position);
