import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { readEnvironment } from '@touchstone/runtime/config';
import { z } from 'zod';

const port = z.coerce.number().int().min(0).max(65_535);
const databaseUrl = z.string().regex(/^postgres(ql)?:\/\//, 'expected postgresql://user:password@host/database');
const target = z.string().regex(/^(unix:.+|dns:.+:\d+|ipv4:.+:\d+|[^/]+:\d+)$/, 'expected host:port, unix:/path, dns:///name:port or ipv4:host:port,host:port');
const address = z.string().regex(/^(unix:.+|[^/]+:\d+)$/, 'expected host:port or unix:/path');

const variables = {
  TOUCHSTONE_HOST: z.string().default('127.0.0.1'),
  TOUCHSTONE_PORT: port.default(8080),
  TOUCHSTONE_HEALTH_PORT: port.optional(),
  TOUCHSTONE_DATA_DIR: z.string().default('.touchstone'),
  TOUCHSTONE_MODELS_DIR: z.string().optional(),
  TOUCHSTONE_MODELS_URL: target.optional(),
  TOUCHSTONE_DATABASE_URL: databaseUrl.optional(),
  TOUCHSTONE_GATEWAY_DATABASE_URL: databaseUrl.optional(),
  TOUCHSTONE_GATEWAY_SYSTEM_DATABASE_URL: databaseUrl.optional(),
  TOUCHSTONE_RETRIEVAL_DATABASE_URL: databaseUrl.optional(),
  TOUCHSTONE_RETRIEVAL_SYSTEM_DATABASE_URL: databaseUrl.optional(),
  TOUCHSTONE_RETRIEVAL_URL: target.optional(),
  TOUCHSTONE_RETRIEVAL_LISTEN: address.optional(),
  TOUCHSTONE_TOKEN_PRIVATE_KEY_FILE: z.string().optional(),
  TOUCHSTONE_TOKEN_PUBLIC_KEY_FILE: z.string().optional(),
  TOUCHSTONE_SCAN_WORKERS: z.coerce.number().int().min(1).max(64).optional(),
};

export interface DatabaseUrls {
  /** Role `<service>`. */
  readonly url: string;
  /** Role `<service>_system`. */
  readonly systemUrl: string;
}

/** What the environment says; docs/operations.md describes each variable. */
export interface Configuration {
  readonly host: string;
  readonly port: number;
  readonly healthPort?: number;
  readonly dataDir: string;
  readonly modelsDir: string;
  /** An own model server when absent. */
  readonly modelsUrl?: string;
  /** Owner of the schemas, for migrations; the embedded PostgreSQL when absent. */
  readonly databaseUrl?: string;
  readonly databases: Readonly<Record<'gateway' | 'retrieval', DatabaseUrls | undefined>>;
  /** Where the gateway finds retrieval when it runs elsewhere. */
  readonly retrievalUrl?: string;
  /** Where retrieval listens for gRPC. */
  readonly retrievalListen?: string;
  readonly tokenPrivateKeyFile?: string;
  readonly tokenPublicKeyFile?: string;
  readonly scanWorkers: number;
}

/** @throws ConfigurationError that names every wrong variable. */
export function readConfiguration(environment: NodeJS.ProcessEnv = process.env): Configuration {
  const values = readEnvironment(variables, environment);
  const dataDir = resolve(values.TOUCHSTONE_DATA_DIR);
  return {
    host: values.TOUCHSTONE_HOST,
    port: values.TOUCHSTONE_PORT,
    healthPort: values.TOUCHSTONE_HEALTH_PORT,
    dataDir,
    modelsDir: values.TOUCHSTONE_MODELS_DIR ? resolve(values.TOUCHSTONE_MODELS_DIR) : join(dataDir, 'models'),
    modelsUrl: values.TOUCHSTONE_MODELS_URL,
    databaseUrl: values.TOUCHSTONE_DATABASE_URL,
    databases: {
      gateway: pair(values.TOUCHSTONE_GATEWAY_DATABASE_URL, values.TOUCHSTONE_GATEWAY_SYSTEM_DATABASE_URL),
      retrieval: pair(values.TOUCHSTONE_RETRIEVAL_DATABASE_URL, values.TOUCHSTONE_RETRIEVAL_SYSTEM_DATABASE_URL),
    },
    retrievalUrl: values.TOUCHSTONE_RETRIEVAL_URL,
    retrievalListen: values.TOUCHSTONE_RETRIEVAL_LISTEN,
    tokenPrivateKeyFile: values.TOUCHSTONE_TOKEN_PRIVATE_KEY_FILE,
    tokenPublicKeyFile: values.TOUCHSTONE_TOKEN_PUBLIC_KEY_FILE,
    scanWorkers: values.TOUCHSTONE_SCAN_WORKERS ?? Math.max(1, cpus().length - 1),
  };
}

function pair(url: string | undefined, systemUrl: string | undefined): DatabaseUrls | undefined {
  return url && systemUrl ? { url, systemUrl } : undefined;
}
