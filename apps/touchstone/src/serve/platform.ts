import { createPublicKey } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Channel, GrpcChannel, LocalChannel } from '@touchstone/contracts';
import { OperationService } from '@touchstone/contracts/gen/touchstone/operations/v1/operation_pb';
import { connectModels, type Models } from '@touchstone/models';
import { migrate } from '@touchstone/persistence';
import { gatewayContractServer, OperationsChannel, start as startGateway } from '@touchstone/gateway';
import { ConfigurationError } from '@touchstone/runtime/config';
import type { Health, Running } from '@touchstone/runtime/lifecycle';
import { log } from '@touchstone/runtime/logging';
import { within } from '@touchstone/runtime/telemetry';
import { CallerTokens, CallerTokenVerifier } from '@touchstone/runtime/tenant';
import type { Configuration, DatabaseUrls } from '../configuration.ts';
import { writeAdminKey } from '../key/admin-key.ts';
import { type ServiceName, serviceNames } from '../service-names.ts';
import { EmbeddedDatabase } from './embedded-database.ts';
import { ModelHost } from './model-host.ts';
import { type Service, services } from './services.ts';
import { tokenKeys } from './token-keys.ts';

const servicesBehind = Object.entries(services) as [keyof typeof services, Service][];

export interface Platform extends Running {
  /** Public address, when the gateway runs here. */
  readonly url?: string;
}

/** Starts services in this process, and the database and model server that they need when nobody named others. */
export async function startPlatform(configuration: Configuration, names: readonly ServiceName[]): Promise<Platform> {
  const running: Running[] = [];
  const stop = async () => {
    // The last that was started is the first to stop: the door before the rooms behind it.
    for (const part of running.reverse()) await part.stop();
  };
  try {
    const url = await startParts();
    // The gateway's health names the parts behind it too.
    return { url, stop, health: () => (url ? running.at(-1)!.health() : healthOf(running)) };
  } catch (error) {
    await stop();
    throw error;
  }

  async function startParts(): Promise<string | undefined> {
    const has = (name: ServiceName) => names.includes(name);
    const isAlone = serviceNames.every(has);
    await mkdir(configuration.dataDir, { recursive: true, mode: 0o700 });
    const keys = await tokenKeys(configuration, { isAlone, signs: has('gateway'), verifies: names.some((name) => name !== 'gateway') });
    const databaseOf = await databases();
    const { kafka, addresses } = configuration;
    const ownContracts = has('gateway')
      ? gatewayContractServer({ verifier: new CallerTokenVerifier(keys.publicKey ?? createPublicKey(keys.privateKey!)), listen: addresses.gateway.listen })
      : undefined;
    const blobs = ownContracts ? new LocalChannel(ownContracts) : addresses.gateway.url ? new GrpcChannel(addresses.gateway.url) : undefined;

    const channels = new Map<string, Channel>();
    let startedModels: Promise<Models> | undefined;
    for (const [name, { start }] of servicesBehind) {
      if (!has(name)) continue;
      const service = await within({ service: name }, () =>
        start({ configuration, database: databaseOf(name), verifier: new CallerTokenVerifier(keys.publicKey!), kafka, listen: addresses[name].listen, blobs, models: () => (startedModels ??= models()) }),
      );
      running.push(service);
      channels.set(name, new LocalChannel(service.server));
    }
    if (!has('gateway')) return undefined;

    for (const [name] of servicesBehind) {
      if (channels.has(name)) continue;
      const { url } = addresses[name];
      if (!url) throw notHere(`TOUCHSTONE_${name.toUpperCase()}_URL`, `the address of the ${name} service (host:port)`);
      channels.set(name, new GrpcChannel(url));
    }
    const behindTheDoor = [...running];
    const gateway = await within({ service: 'gateway' }, () => startGateway({
      host: configuration.host,
      port: configuration.port,
      database: databaseOf('gateway'),
      tokens: new CallerTokens(keys.privateKey!),
      own: { server: ownContracts!, blobs: { folder: configuration.blobsDir, s3: configuration.blobsS3, maximumBytes: configuration.blobLimitBytes, tenantBytes: configuration.tenantLimits.blobBytes } },
      requestsPerMinute: configuration.tenantLimits.requestsPerMinute,
      itemsPerTenant: configuration.tenantLimits.items,
      upstreams: [
        ...servicesBehind.flatMap(([name, { contracts }]) => contracts.map((service) => ({ service, channel: channels.get(name)! }))),
        { service: OperationService, channel: new OperationsChannel(channels) },
      ],
      readiness: () => healthOf(behindTheDoor),
      accessLog: configuration.accessLog,
    }));
    running.push(gateway);
    return gateway.url;
  }

  /** The services' databases: those that were named, or the embedded one for all. */
  async function databases(): Promise<(name: ServiceName) => DatabaseUrls> {
    const named = names.filter((name) => configuration.databases[name]);
    if (named.length === 0 && !configuration.databaseUrl && names.length === serviceNames.length) {
      const embedded = await EmbeddedDatabase.start(join(configuration.dataDir, 'postgres'));
      running.push(embedded);
      await migrate({ url: embedded.url(), services: serviceNames, onApplied: (file) => log.info({ file }, 'migrated') });
      const urls = (name: ServiceName) => ({ url: embedded.url(name), systemUrl: embedded.url(`${name}_system`) });
      if (isLoopback(configuration.host)) await writeAdminKey(configuration.dataDir, urls('gateway'));
      return urls;
    }
    const lacking = names.find((name) => !configuration.databases[name]);
    if (lacking) {
      const prefix = `TOUCHSTONE_${lacking.toUpperCase()}`;
      throw notHere(`${prefix}_DATABASE_URL and ${prefix}_SYSTEM_DATABASE_URL`, `the roles ${lacking} and ${lacking}_system (touchstone migrate makes them)`);
    }
    return (name) => configuration.databases[name]!;
  }

  async function models(): Promise<Models> {
    const { modelsDir, modelsManifest: manifest, modelsUrl } = configuration;
    const host = await ModelHost.start({ modelsDir, manifest, url: modelsUrl });
    running.push(host);
    const connected = connectModels({ url: host.url, repository: host.repository, manifest });
    running.push({ health: async () => [], stop: () => connected.close() });
    return connected;
  }
}

async function healthOf(parts: readonly Running[]): Promise<Health[]> {
  return (await Promise.all(parts.map((part) => part.health()))).flat();
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

function notHere(variable: string, expected: string): ConfigurationError {
  return new ConfigurationError(`${variable}: expected ${expected}, because not everything runs in this process.`);
}
