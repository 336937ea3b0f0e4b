import type { DataSource } from 'typeorm';

/**
 * What TypeORM would change so that the database matches the entities: SQL statements, none when they agree.
 * Tables without an entity, indexes, constraints' names, policies and grants are not compared.
 *
 * @param dataSource initialised, with the owner's URL.
 */
export async function schemaDifference(dataSource: DataSource): Promise<string[]> {
  const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
  return upQueries.map(({ query }) => query);
}
