import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import type { S3Options } from '@touchstone/gateway';
import type { KafkaOptions } from '@touchstone/messaging';
import { checkSettings, ConfigurationError, gatherSettings, type GivenSettings } from '@touchstone/runtime/config';
import type { TracingOptions } from '@touchstone/runtime/telemetry';
import { z } from 'zod';
import { type ServiceName, serviceNames } from './service-names.ts';

const fetchHosts = z.string().regex(/^((\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?)(,(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?)*$/, 'expected names of hosts with commas between, such as images.example.org,*.example.net');
const port = z.coerce.number().int().min(0).max(65_535);
const databaseUrl = z.string().regex(/^postgres(ql)?:\/\//, 'expected postgresql://user:password@host/database');
const target = z.string().regex(/^(unix:.+|dns:.+:\d+|ipv4:.+:\d+|[^/]+:\d+)$/, 'expected host:port, unix:/path, dns:///name:port or ipv4:host:port,host:port');
const address = z.string().regex(/^(unix:.+|[^/]+:\d+)$/, 'expected host:port or unix:/path');

const brokers = z.string().regex(/^[^\s,]+:\d+(,[^\s,]+:\d+)*$/, 'expected host:port,host:port');

type SettingOfService = `TOUCHSTONE_${Uppercase<ServiceName>}_${'DATABASE_URL' | 'SYSTEM_DATABASE_URL' | 'URL' | 'LISTEN'}`;

/** Each service has the same four; `<service>` and `<SERVICE>` stand for its name in docs/operations.md. */
function settingsOfServices(): Record<SettingOfService, z.ZodOptional<z.ZodString>> {
  const settings: [string, z.ZodOptional<z.ZodString>][] = serviceNames.flatMap((name) => [
    [`TOUCHSTONE_${name.toUpperCase()}_DATABASE_URL`, databaseUrl.optional().describe(`role \`${name}\``)],
    [`TOUCHSTONE_${name.toUpperCase()}_SYSTEM_DATABASE_URL`, databaseUrl.optional().describe(`role \`${name}_system\``)],
    [`TOUCHSTONE_${name.toUpperCase()}_URL`, target.optional().describe(`where other processes find ${name}; several as \`ipv4:host:port,host:port\``)],
    [`TOUCHSTONE_${name.toUpperCase()}_LISTEN`, address.optional().describe(`where ${name} listens for gRPC of other processes`)],
  ]);
  return Object.fromEntries(settings) as Record<SettingOfService, z.ZodOptional<z.ZodString>>;
}

/** Every setting there is: its type and, for `config explain` and docs/operations.md, its meaning. */
export const settings = {
  TOUCHSTONE_HOST: z.string().default('127.0.0.1').describe('where the gateway listens'),
  TOUCHSTONE_PORT: port.default(8080).describe('port of the gateway; 0 takes any free one'),
  TOUCHSTONE_HEALTH_PORT: port.optional().describe('`/livez`, `/readyz` and `/metrics`, on `TOUCHSTONE_HOST`; nowhere when absent'),
  TOUCHSTONE_DATA_DIR: z.string().default('.touchstone').describe('folder of the embedded PostgreSQL, the weights, the blobs and the first key'),
  TOUCHSTONE_MODELS_DIR: z.string().optional().describe('folder of weights and tokenisers; `models` in the data folder when absent'),
  TOUCHSTONE_MODELS_MANIFEST: z.string().min(1).optional().describe('a manifest of your own, in which you pin models or leave some out; `model-repository/manifest.json` when absent'),
  TOUCHSTONE_BLOBS_DIR: z.string().optional().describe('folder of blobs, the same for all gateways; `blobs` in the data folder when absent'),
  TOUCHSTONE_BLOBS_S3_URL: z.string().regex(/^https?:\/\/[^/?#]+\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\/?$/, 'expected the address of the store with the bucket, https://s3.eu-central-1.amazonaws.com/my-bucket').optional().describe('a bucket of an S3-compatible store, in which blobs lie instead, such as `https://s3.eu-central-1.amazonaws.com/my-bucket`; the folder is then where bytes wait that come in, for each gateway its own'),
  TOUCHSTONE_BLOBS_S3_REGION: z.string().regex(/^[a-z0-9-]+$/, 'expected a region such as eu-central-1').default('us-east-1').describe('its region'),
  AWS_ACCESS_KEY_ID: z.string().optional().describe('who may read, write, list and delete there'),
  AWS_SECRET_ACCESS_KEY: z.string().optional().describe('its secret'),
  TOUCHSTONE_BLOB_LIMIT_MB: z.coerce.number().int().min(1).max(1_048_576).default(1024).describe('size of the largest blob, in MiB'),
  TOUCHSTONE_TENANT_BLOBS_MB: z.coerce.number().int().min(1).max(1_073_741_824).optional().describe('size of all blobs of a tenant for which `touchstone tenants limit` says nothing else, in MiB; no limit when absent'),
  TOUCHSTONE_TENANT_ITEMS: z.coerce.number().int().min(0).max(2_147_483_647).optional().describe('items of such a tenant in all its collections; no limit when absent'),
  TOUCHSTONE_TENANT_REQUESTS_PER_MINUTE: z.coerce.number().int().min(1).max(1_000_000_000).default(600_000).describe('requests of such a tenant in a minute'),
  TOUCHSTONE_FETCH_HOSTS: fetchHosts.optional().describe('hosts from which pictures may be fetched by `url`, over https: `images.example.org,*.example.net,cdn.example.com:8443`; none when absent'),
  TOUCHSTONE_MODELS_URL: target.optional().describe('a KServe v2 server; an own child process when absent'),
  TOUCHSTONE_DATABASE_URL: databaseUrl.optional().describe('owner of the schemas, for `touchstone migrate`; the embedded PostgreSQL when absent'),
  ...settingsOfServices(),
  TOUCHSTONE_KAFKA_BROKERS: brokers.optional().describe('brokers of Kafka through which events travel, `host:port,host:port`; without it they stay in their service'),
  TOUCHSTONE_KAFKA_PREFIX: z.string().regex(/^[a-z0-9._-]*$/, 'expected letters, digits, dots and hyphens').optional().describe('before the names of topics and groups, in a Kafka that others use too'),
  TOUCHSTONE_TOKEN_PRIVATE_KEY_FILE: z.string().optional().describe('Ed25519 key in PEM by which the gateway signs callers’ tokens; made at start when all services run in one process'),
  TOUCHSTONE_TOKEN_PUBLIC_KEY_FILE: z.string().optional().describe('its public half, by which services verify them'),
  TOUCHSTONE_SCAN_WORKERS: z.coerce.number().int().min(1).max(64).optional().describe('threads that scan the index; one less than there are cores when absent'),
  TOUCHSTONE_VECTORS_DIR: z.string().min(1).optional().describe('folder for the temporary file of the index’s float32 vectors, with 4 bytes a number of room on a disk; the data folder when absent'),
  TOUCHSTONE_RETRIEVAL_INDEX: z.enum(['memory', 'milvus']).default('memory').describe('where vectors are searched: in the memory of each retrieval process, or in a Milvus that all share'),
  TOUCHSTONE_MILVUS_ADDRESS: z.string().regex(/^[^/\s:]+:\d+$/, 'expected host:port').optional().describe('that Milvus, 2.3 or later, `host:port`'),
  TOUCHSTONE_MILVUS_SEARCHED_VECTORS: z.coerce.number().int().min(0).max(10_000_000).default(100_000).describe('vectors of a collection that a replica copies into its memory to search it while that Milvus does not answer; 0 for never'),
  TOUCHSTONE_MILVUS_COMPARED_VECTORS: z.coerce.number().int().min(0).max(100_000_000).default(1_000_000).describe('vectors of a collection that a replica copies into its memory to scan it for duplicates'),
  TOUCHSTONE_COMPRESSION_TOKENS_HOURS: z.coerce.number().int().min(1).max(8_760).default(24).describe('how long the tokens of a compressed picture are kept, as blobs of its tenant'),
  TOUCHSTONE_URL: z.url().optional().describe('the platform that `touchstone demo` calls; the one of this folder when absent'),
  TOUCHSTONE_KEY: z.string().regex(/^ts_live_/, 'expected a key, ts_live_…').optional().describe('the key with which it calls; the first administrator’s when absent'),
  TOUCHSTONE_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('least severe messages that are logged'),
  TOUCHSTONE_ACCESS_LOG: z.enum(['info', 'debug']).default('info').describe('level of the line that each request leaves in the log'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional().describe('where spans go, OTLP over HTTP, such as `http://collector:4318`; none are recorded when absent'),
  OTEL_EXPORTER_OTLP_HEADERS: z.string().optional().describe('headers for it, `name=value,…`'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1).describe('how many of the traces that begin here are recorded, 0 to 1'),
};

/** Settings of this process: environment, and the file that `TOUCHSTONE_CONFIG` names. */
export function givenSettings(environment: NodeJS.ProcessEnv = process.env): GivenSettings {
  return gatherSettings(Object.keys(settings), environment, environment.TOUCHSTONE_CONFIG || undefined);
}

export interface DatabaseUrls {
  /** Role `<service>`. */
  readonly url: string;
  /** Role `<service>_system`. */
  readonly systemUrl: string;
}

export interface ServiceAddress {
  /** Where this process finds it when it runs elsewhere. */
  readonly url?: string;
  /** Where it listens for gRPC of other processes. */
  readonly listen?: string;
}

/** What the settings mean to the program. */
export interface Configuration {
  readonly host: string;
  readonly port: number;
  readonly healthPort?: number;
  readonly dataDir: string;
  readonly modelsDir: string;
  /** Which weights there are; the repository's manifest when absent. */
  readonly modelsManifest?: string;
  readonly blobsDir: string;
  /** A bucket in which blobs lie; `blobsDir` when absent. */
  readonly blobsS3?: S3Options;
  /** Of the largest blob. */
  readonly blobLimitBytes: number;
  /** Of tenants for which nobody set other limits. */
  readonly tenantLimits: { readonly requestsPerMinute: number; readonly blobBytes?: number; readonly items?: number };
  /** From which pictures may be fetched by their address. */
  readonly fetchHosts: readonly string[];
  /** An own model server when absent. */
  readonly modelsUrl?: string;
  /** Owner of the schemas, for migrations; the embedded PostgreSQL when absent. */
  readonly databaseUrl?: string;
  readonly databases: Readonly<Record<ServiceName, DatabaseUrls | undefined>>;
  /** Of services that run elsewhere, or listen here. */
  readonly addresses: Readonly<Record<ServiceName, ServiceAddress>>;
  /** Through which events travel; without it they stay in their service. */
  readonly kafka?: KafkaOptions;
  readonly tokenPrivateKeyFile?: string;
  readonly tokenPublicKeyFile?: string;
  readonly scanWorkers: number;
  readonly vectorsDir: string;
  /** `host:port` of the Milvus that has the indexes; they are in memory when absent. */
  readonly milvusAddress?: string;
  /** Vectors of a collection that are copied out of that Milvus: to be searched while it is away, and to be compared with each other. */
  readonly copyLimits: { readonly searched: number; readonly compared: number };
  /** How long the tokens of compressed pictures are kept. */
  readonly tokensKeptMs: number;
  readonly accessLog: 'info' | 'debug';
  readonly tracing: TracingOptions;
  /** What `demo` calls, and with which key. */
  readonly platformUrl?: string;
  readonly platformKey?: string;
}

/** @throws ConfigurationError that names every wrong setting. */
export function readConfiguration(environment: NodeJS.ProcessEnv = process.env): Configuration {
  const values = checkSettings(settings, givenSettings(environment));
  const dataDir = resolve(values.TOUCHSTONE_DATA_DIR);
  return {
    host: values.TOUCHSTONE_HOST,
    port: values.TOUCHSTONE_PORT,
    healthPort: values.TOUCHSTONE_HEALTH_PORT,
    dataDir,
    modelsDir: values.TOUCHSTONE_MODELS_DIR ? resolve(values.TOUCHSTONE_MODELS_DIR) : join(dataDir, 'models'),
    modelsManifest: values.TOUCHSTONE_MODELS_MANIFEST && resolve(values.TOUCHSTONE_MODELS_MANIFEST),
    blobsDir: values.TOUCHSTONE_BLOBS_DIR ? resolve(values.TOUCHSTONE_BLOBS_DIR) : join(dataDir, 'blobs'),
    blobsS3: bucketOf(values),
    blobLimitBytes: values.TOUCHSTONE_BLOB_LIMIT_MB * 1024 * 1024,
    tenantLimits: {
      requestsPerMinute: values.TOUCHSTONE_TENANT_REQUESTS_PER_MINUTE,
      blobBytes: values.TOUCHSTONE_TENANT_BLOBS_MB === undefined ? undefined : values.TOUCHSTONE_TENANT_BLOBS_MB * 1024 * 1024,
      items: values.TOUCHSTONE_TENANT_ITEMS,
    },
    fetchHosts: values.TOUCHSTONE_FETCH_HOSTS?.split(',') ?? [],
    modelsUrl: values.TOUCHSTONE_MODELS_URL,
    databaseUrl: values.TOUCHSTONE_DATABASE_URL,
    databases: ofServices((name) => pair(values[`TOUCHSTONE_${name}_DATABASE_URL`], values[`TOUCHSTONE_${name}_SYSTEM_DATABASE_URL`])),
    addresses: ofServices((name) => ({ url: values[`TOUCHSTONE_${name}_URL`], listen: values[`TOUCHSTONE_${name}_LISTEN`] })),
    kafka: values.TOUCHSTONE_KAFKA_BROKERS ? { brokers: values.TOUCHSTONE_KAFKA_BROKERS.split(','), prefix: values.TOUCHSTONE_KAFKA_PREFIX } : undefined,
    tokenPrivateKeyFile: values.TOUCHSTONE_TOKEN_PRIVATE_KEY_FILE,
    tokenPublicKeyFile: values.TOUCHSTONE_TOKEN_PUBLIC_KEY_FILE,
    milvusAddress: milvusAddress(values),
    copyLimits: { searched: values.TOUCHSTONE_MILVUS_SEARCHED_VECTORS, compared: values.TOUCHSTONE_MILVUS_COMPARED_VECTORS },
    vectorsDir: values.TOUCHSTONE_VECTORS_DIR ? resolve(values.TOUCHSTONE_VECTORS_DIR) : dataDir,
    scanWorkers: values.TOUCHSTONE_SCAN_WORKERS ?? Math.max(1, cpus().length - 1),
    tokensKeptMs: values.TOUCHSTONE_COMPRESSION_TOKENS_HOURS * 3_600_000,
    accessLog: values.TOUCHSTONE_ACCESS_LOG,
    tracing: { endpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT, headers: values.OTEL_EXPORTER_OTLP_HEADERS, sampleRatio: values.OTEL_TRACES_SAMPLER_ARG },
    platformUrl: values.TOUCHSTONE_URL,
    platformKey: values.TOUCHSTONE_KEY,
  };
}

function ofServices<Value>(valueOf: (name: Uppercase<ServiceName>) => Value): Record<ServiceName, Value> {
  return Object.fromEntries(serviceNames.map((name) => [name, valueOf(name.toUpperCase() as Uppercase<ServiceName>)])) as Record<ServiceName, Value>;
}

/** S3 takes 5 GiB in one request. */
const largestObjectMb = 5_120;

interface S3Settings {
  readonly TOUCHSTONE_BLOBS_S3_URL?: string;
  readonly TOUCHSTONE_BLOBS_S3_REGION: string;
  readonly AWS_ACCESS_KEY_ID?: string;
  readonly AWS_SECRET_ACCESS_KEY?: string;
  readonly TOUCHSTONE_BLOB_LIMIT_MB: number;
}

/** @throws ConfigurationError when something of it is missing, or blobs may be larger than S3 takes them. */
function bucketOf(settings: S3Settings): S3Options | undefined {
  const { TOUCHSTONE_BLOBS_S3_URL: url, TOUCHSTONE_BLOBS_S3_REGION: region, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, TOUCHSTONE_BLOB_LIMIT_MB: limitMb } = settings;
  if (!url) return undefined;
  if (!accessKeyId || !secretAccessKey) throw new ConfigurationError('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: expected the keys of TOUCHSTONE_BLOBS_S3_URL.');
  if (limitMb > largestObjectMb) throw new ConfigurationError(`TOUCHSTONE_BLOB_LIMIT_MB: expected at most ${largestObjectMb} with TOUCHSTONE_BLOBS_S3_URL, got ${limitMb}.`);
  return { url, region, accessKeyId, secretAccessKey };
}

function pair(url: string | undefined, systemUrl: string | undefined): DatabaseUrls | undefined {
  return url && systemUrl ? { url, systemUrl } : undefined;
}

function milvusAddress({ TOUCHSTONE_RETRIEVAL_INDEX: index, TOUCHSTONE_MILVUS_ADDRESS: address }: { TOUCHSTONE_RETRIEVAL_INDEX: string; TOUCHSTONE_MILVUS_ADDRESS?: string }): string | undefined {
  if (index === 'milvus' && !address) throw new ConfigurationError('TOUCHSTONE_MILVUS_ADDRESS: expected host:port, because TOUCHSTONE_RETRIEVAL_INDEX is milvus.');
  return index === 'milvus' ? address : undefined;
}
