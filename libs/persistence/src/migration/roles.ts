import type { Client } from 'pg';

/** Ends what a bug or a lost client would leave open: locks, and the horizon below which dead rows are removed. */
const limits = (statementTimeout: string) => ({
  statement_timeout: statementTimeout,
  lock_timeout: '10s',
  idle_in_transaction_session_timeout: '60s',
});

/** The two login roles of a service. Only the system role rebuilds indexes, so it may take longer. */
export const rolesOf = (service: string) => [
  { role: service, settings: limits('30s') },
  { role: `${service}_system`, settings: limits('300s') },
];

/**
 * Creates the schema and the roles of a service where absent, and sets passwords from the URLs in `logins`.
 *
 * @throws Error when a role that exists could bypass row-level security.
 */
export async function ensureRoles(client: Client, service: string, logins: readonly string[]): Promise<void> {
  await client.query(`create schema if not exists ${client.escapeIdentifier(service)}`);
  for (const { role, settings } of rolesOf(service)) {
    const name = client.escapeIdentifier(role);
    await client.query(`do $$ begin create role ${name} login nosuperuser nobypassrls nocreatedb nocreaterole; exception when duplicate_object or unique_violation then null; end $$`);
    const { rows } = await client.query(
      `select rolsuper or rolbypassrls as "isUnsafe", coalesce(rolconfig, '{}') as config from pg_roles where rolname = $1`,
      [role],
    );
    if (rows[0].isUnsafe) throw new Error(`Role ${role} is a superuser or bypasses row-level security: alter role ${role} nosuperuser nobypassrls`);
    for (const [setting, value] of Object.entries(settings)) {
      if (!rows[0].config.includes(`${setting}=${value}`)) await client.query(`alter role ${name} set ${setting} = '${value}'`);
    }
    await client.query(`grant usage on schema ${client.escapeIdentifier(service)} to ${name}`);
    const password = passwordFor(role, logins);
    if (password) await client.query(`alter role ${name} password ${client.escapeLiteral(password)}`);
  }
}

function passwordFor(role: string, logins: readonly string[]): string | undefined {
  const login = logins.map((url) => new URL(url)).find(({ username }) => decodeURIComponent(username) === role);
  return login && decodeURIComponent(login.password);
}
