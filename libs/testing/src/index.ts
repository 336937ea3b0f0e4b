export { type Kafka, startKafka } from './peers/kafka.ts';
export { type Milvus, type MilvusOptions, startMilvus } from './peers/milvus.ts';
export { startPostgres, type Postgres, type PostgresOptions } from './peers/postgres.ts';
export { testDatabase, type TestDatabase } from './peers/test-database.ts';
export { type S3, startS3 } from './peers/s3.ts';
export { startTriton, type Triton, type TritonOptions, tritonPython } from './peers/triton.ts';
export { modelsDir, type PlatformMode, type PlatformOptions, pulledModels, startTestPlatform, type TestPlatform } from './platform/platform.ts';
export { CommandFailed, runTouchstone, serveTouchstone, type TouchstoneProcess } from './platform/touchstone-process.ts';
