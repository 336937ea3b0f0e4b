-- Items have a category, an author and the time of their content. A vector knows what it is a vector of, its content's
-- hash and its model's version; pictures are kept, each once for a tenant. Row-level security binds the owner of a table
-- too, so it is lifted where rows of before get their values.

alter table retrieval.item rename column created_at to stored_at;

alter table retrieval.item
  add column category text not null default '',
  add column author text not null default '',
  add column created_at timestamptz not null default now(); -- of its content

alter table retrieval.item no force row level security;
update retrieval.item set created_at = stored_at;
alter table retrieval.item force row level security;

alter table retrieval.item_vector
  add column kinds smallint not null default 0, -- bits: 1 text, 2 image, 4 ocr, 8 note
  add column content_hash bytea not null default '', -- SHA-256 of what was embedded, or of a vector that the caller brought; empty for rows of before
  add column is_own boolean not null default false, -- the caller brought it
  alter column vector set storage external; -- floats do not compress

alter table retrieval.item_vector no force row level security;
update retrieval.item_vector set kinds = case space when 'image' then 2 else 9 end;
alter table retrieval.item_vector force row level security;

alter table retrieval.item_vector
  alter column kinds drop default,
  alter column content_hash drop default,
  add check (kinds between 1 and 15),
  drop constraint item_vector_pkey,
  add primary key (tenant_id, collection, item_id, space, model_version, kinds, part);

alter table retrieval.collection no force row level security;
update retrieval.collection set spaces = (
  select jsonb_agg(space || jsonb_build_object('kinds', case space->>'name' when 'image' then '["image"]'::jsonb else '["text", "ocr", "note"]'::jsonb end) order by position)
  from jsonb_array_elements(spaces) with ordinality as each (space, position));
alter table retrieval.collection force row level security;

-- The files of pictures. Whoever deletes a row holds the tenant's lock on pictures alone (kept-pictures.service.ts).
create table retrieval.picture (
  tenant_id uuid not null,
  sha256 text not null, -- hexadecimal
  file bytea not null,
  primary key (tenant_id, sha256)
);

alter table retrieval.picture alter column file set storage external; -- compressed already

alter table retrieval.picture enable row level security, force row level security;

create policy tenant on retrieval.picture to retrieval, retrieval_system
  using (tenant_id = retrieval.current_tenant()) with check (tenant_id = retrieval.current_tenant());

grant select, insert, delete on retrieval.picture to retrieval;
grant select on retrieval.picture to retrieval_system;

alter table retrieval.item_image
  add column ocr_text text not null default '',
  add foreign key (tenant_id, sha256) references retrieval.picture not valid; -- pictures of before were not kept

create index item_image_sha256 on retrieval.item_image (tenant_id, sha256);
