export { createDataSource, type DataSourceOptions } from './transaction/data-source.ts';
export { afterCommit, Database, DATABASE_OPTIONS, type DatabaseOptions, type InboxTransaction } from './transaction/database.ts';
export { DatabaseUnavailable } from './transaction/database-unavailable.ts';
export { insertOnce } from './transaction/insert-once.ts';
export { PersistenceModule } from './transaction/persistence.module.ts';
export { safeInteger } from './transaction/safe-integer.ts';
export { migrate, type MigrateOptions } from './migration/migrate.ts';
export { schemaDifference } from './migration/schema-difference.ts';
export { startPostgresServer, type PostgresServer, type PostgresServerOptions } from './embedded/postgres-server.ts';
