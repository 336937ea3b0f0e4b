export { startPostgres, type Postgres, type PostgresOptions } from './peers/postgres.ts';
export { testDatabase, type TestDatabase } from './peers/test-database.ts';
