import type { DataSource } from 'typeorm';

/**
 * What TypeORM would change so that the database matches the entities: SQL statements, none when they agree on columns,
 * types, nullability, defaults and primary keys. The migrations alone own the rest, so these are not compared: tables
 * without an entity, generated columns that an entity leaves out, foreign keys, uniqueness, checks, indexes, policies
 * and grants.
 *
 * @param dataSource initialised, with the owner's URL of a database for tests: a table of TypeORM's comes and goes there.
 */
export async function schemaDifference(dataSource: DataSource): Promise<string[]> {
  // TypeORM reads the expressions of generated columns from its own table.
  const metadata = `"${dataSource.driver.schema}"."typeorm_metadata"`;
  await dataSource.query(`create table ${metadata} ("type" text, "database" text, "schema" text, "table" text, "name" text, "value" text)`);
  try {
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
    const generated: { drop: string }[] = await dataSource.query(
      `select format('ALTER TABLE "%s"."%s" DROP COLUMN "%s"', table_schema, table_name, column_name) as drop from information_schema.columns where is_generated = 'ALWAYS'`,
    );
    const dropsGenerated = new Set(generated.map(({ drop }) => drop));
    return upQueries.map(({ query }) => query).filter((query) => !ownedByMigrations.test(query) && !dropsGenerated.has(query));
  } finally {
    await dataSource.query(`drop table ${metadata}`);
  }
}

/** PostgreSQL's default names end in `_fkey`, `_key` and `_check`; a primary key's in `_pkey`. */
const ownedByMigrations = /"typeorm_metadata"|^(CREATE|DROP)( UNIQUE)? INDEX |DROP CONSTRAINT "\w+_(fkey|key|check)"/;
