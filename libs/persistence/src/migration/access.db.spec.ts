import { readdirSync } from 'node:fs';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';

const services = readdirSync(new URL('../../../../migrations/', import.meta.url));

/** Tables of every service that has events and operations: no tenant's policy guards them. */
const spine: readonly [string, string][] = [
  ['dead_letter', 'system role only'],
  ['event_attempt', 'system role only'],
  ['inbox', 'the tenant role may insert, never read'],
  ['operation_queue', 'the tenant role may insert, never read'],
  ['outbox', 'the tenant role may insert, never read'],
  ['relay', 'system role only'],
  ['relay_lease', 'system role only'],
];

/** Tables that no tenant's policy guards. Adding one is a decision: say here why. */
const withoutPolicy = new Map([
  ['gateway.api_key', 'read before a tenant is known; system role only'],
  ['gateway.audit', 'acts of the whole platform; the system role adds and reads'],
  ['gateway.key_request_count', 'counted before a tenant is named; system role only'],
  ['gateway.request_count', 'counted before a tenant is named; system role only'],
  ['gateway.tenant', 'the tenants themselves; system role only'],
  ...services.map((service) => [`${service}.migration`, 'owner only'] as const),
  ...services.filter((service) => service !== 'gateway').flatMap((service) => spine.map(([table, why]) => [`${service}.${table}`, why] as const)),
]);

interface Access {
  table: string;
  columns: string[];
  security: 'forced' | 'enabled' | 'none';
  policies: string[] | null;
  grants: string[] | null;
}

let database: TestDatabase;
let owner: pg.Client;
let tables: Access[];

beforeAll(async () => {
  database = await testDatabase({ service: 'retrieval' });
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  ({ rows: tables } = await owner.query<Access>(`
    select format('%s.%s', n.nspname, c.relname) as table,
      array(select attname::text from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped order by attnum) as columns,
      case when relforcerowsecurity and relrowsecurity then 'forced' when relrowsecurity then 'enabled' else 'none' end as security,
      (select array_agg(format('%s: %s to %s using %s check %s', policyname, cmd, array_to_string(roles, ', '), coalesce(qual, '-'), coalesce(with_check, '-')) order by policyname)
         from pg_policies where schemaname = n.nspname and tablename = c.relname) as policies,
      (select array_agg(role || ': ' || privileges order by role) from (
         select case when grantee = 0 then 'public' else grantee::regrole::text end as role, string_agg(lower(privilege_type), ', ' order by privilege_type) as privileges
         from aclexplode(c.relacl) where grantee <> c.relowner group by 1) as granted) as grants
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
    order by 1`));
});

afterAll(async () => {
  await owner?.end();
  await database?.drop();
});

it('every table forces row-level security with a policy, or is named above', () => {
  const unguarded = tables.filter(({ security, policies }) => security !== 'forced' || policies === null).map(({ table }) => table);
  expect(unguarded).toEqual([...withoutPolicy.keys()].sort());
});

it('every guarded table begins its key with the tenant, and lets both roles reach the named tenant only', () => {
  const byTenant = /^tenant: ALL to (\w+), \1_system using \(tenant_id = \1\.current_tenant\(\)\) check \(tenant_id = \1\.current_tenant\(\)\)$/;
  const guarded = tables.filter(({ table }) => !withoutPolicy.has(table));
  expect(guarded.length).toBeGreaterThan(0);
  for (const { table, columns, policies } of guarded) {
    expect(columns[0], table).toBe('tenant_id');
    expect(policies, table).toContainEqual(expect.stringMatching(byTenant));
  }
});

it('no role reaches what is not in this list', async () => {
  const lines = tables.map(({ table, security, policies, grants }) =>
    [`${table}  (row-level security: ${security})`, ...(policies ?? []).map((policy) => `  policy ${policy}`), ...(grants ?? []).map((grant) => `  grant ${grant}`)].join('\n'),
  );
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('access.txt');
});

it('no role of a service is a superuser, bypasses row-level security or is a member of another', async () => {
  const { rows } = await owner.query(
    `select rolname from pg_roles where rolname = any ($1)
      and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication or exists (select 1 from pg_auth_members where member = pg_roles.oid))`,
    [services.flatMap((service) => [service, `${service}_system`])],
  );
  expect(rows).toEqual([]);
});

it('no function of ours runs as its owner', async () => {
  const { rows } = await owner.query(`select proname from pg_proc join pg_namespace n on n.oid = pronamespace where prosecdef and n.nspname = any ($1)`, [services]);
  expect(rows).toEqual([]);
});
