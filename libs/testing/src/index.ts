export { startPostgres, type Postgres, type PostgresOptions } from './peers/postgres.ts';
export { testDatabase, type TestDatabase } from './peers/test-database.ts';
export { modelsDir, type PlatformMode, type PlatformOptions, startTestPlatform, type TestPlatform } from './platform/platform.ts';
export { CommandFailed, runTouchstone, serveTouchstone, type TouchstoneProcess } from './platform/touchstone-process.ts';
