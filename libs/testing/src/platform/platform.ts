import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort, startPostgres } from '../peers/postgres.ts';
import { migratedServices } from '../peers/template-server.ts';
import { startDoor } from './door.ts';
import { runTouchstone, serveTouchstone, type TouchstoneProcess } from './touchstone-process.ts';

/**
 * All services in one process with the embedded database; one process for each service, over gRPC; or two processes for
 * each, behind a door that sends every connection to the next gateway.
 */
export type PlatformMode = 'one-process' | 'per-service' | 'replicas';

export interface TestPlatform {
  readonly url: string;
  readonly processes: readonly TouchstoneProcess[];
  /** The environment in which commands of this platform run. */
  readonly environment: NodeJS.ProcessEnv;
  /** Creates a key by `touchstone keys create`. */
  createKey(tenant: string, scopes: readonly string[], ...options: readonly string[]): Promise<string>;
  /** Runs a command of this platform. @returns what it printed. */
  command(words: readonly string[]): Promise<string>;
  /** Waits until `/readyz` says that all parts are ready. */
  ready(): Promise<void>;
  stop(): Promise<void>;
}

export interface PlatformOptions {
  readonly mode: PlatformMode;
  /** Kept after `stop`, for a later start; a temporary folder when absent. */
  readonly dataDir?: string;
  readonly environment?: NodeJS.ProcessEnv;
  /** More settings of one process of `per-service` or `replicas`. */
  readonly environmentOf?: (service: string, replica: number) => NodeJS.ProcessEnv;
}

/** A first start pulls some 150 MB of weights. */
const readyTimeoutMs = 300_000;

/** Weights are pulled once and shared by all platforms of a checkout. */
export const modelsDir = process.env.TOUCHSTONE_MODELS_DIR ?? fileURLToPath(new URL('../../../../.touchstone/models', import.meta.url));

/** Brings what is missing of an overlay of `model-repository`. @returns its folder, for a server of models; not to be written to. */
export async function pulledModels(overlay = 'laptop'): Promise<string> {
  await runTouchstone(['models', 'pull', '--overlay', overlay], { TOUCHSTONE_MODELS_DIR: modelsDir });
  return join(modelsDir, overlay);
}

/** Starts the whole platform from its sources, with the real database, model server and models. */
export async function startTestPlatform({ mode, dataDir, environment = {}, environmentOf = () => ({}) }: PlatformOptions): Promise<TestPlatform> {
  const folder = dataDir ?? (await mkdtemp(join(tmpdir(), 'touchstone-platform-')));
  const common = { TOUCHSTONE_DATA_DIR: folder, TOUCHSTONE_MODELS_DIR: modelsDir, TOUCHSTONE_PORT: '0', ...environment };
  const stops: (() => Promise<unknown>)[] = dataDir ? [] : [() => rm(folder, { recursive: true, force: true })];
  const processes: TouchstoneProcess[] = [];
  const stop = async () => {
    for (const end of stops.reverse()) await end();
  };
  const serve = async (services: readonly string[], settings: NodeJS.ProcessEnv) => {
    const started = await serveTouchstone(services, settings);
    processes.push(started);
    stops.push(() => started.stop());
    return started;
  };
  /** Each service as so many processes. @returns where to reach their gateways. */
  const serveEach = async (replicas: number, settings: NodeJS.ProcessEnv): Promise<string> => {
    const freeAddresses = () => Promise.all(Array.from({ length: replicas }, async () => `127.0.0.1:${await freePort()}`));
    const addresses = new Map<string, string[]>();
    for (const name of migratedServices) addresses.set(name, await freeAddresses());
    const found = Object.fromEntries([...addresses].map(([name, all]) => [`TOUCHSTONE_${name.toUpperCase()}_URL`, `ipv4:${all.join(',')}`]));
    const gateways: string[] = [];
    // The door comes last.
    for (const [name, all] of [...addresses].sort(([one], [other]) => Number(one === 'gateway') - Number(other === 'gateway'))) {
      for (const [replica, address] of all.entries()) {
        const { url } = await serve([name], { ...settings, ...found, [`TOUCHSTONE_${name.toUpperCase()}_LISTEN`]: address, ...environmentOf(name, replica) });
        if (url) gateways.push(url);
      }
    }
    if (replicas === 1) return gateways[0];
    const door = await startDoor(gateways.map((gateway) => new URL(gateway)));
    stops.push(door.stop);
    return door.url;
  };

  try {
    const settings = mode === 'one-process' ? common : { ...common, ...(await clusterSettings(folder, stops)) };
    const url = mode === 'one-process' ? (await serve([], settings)).url! : await serveEach(mode === 'replicas' ? 2 : 1, settings);
    return {
      url,
      processes,
      environment: settings,
      stop,
      async createKey(tenant, scopes, ...options) {
        const words = ['keys', 'create', '--tenant', tenant, ...scopes.flatMap((scope) => ['--scope', scope]), ...options];
        return (await runTouchstone(words, settings)).trim();
      },
      command: (words) => runTouchstone(words, settings),
      async ready() {
        const givenUpAt = Date.now() + readyTimeoutMs;
        for (;;) {
          const answer = await fetch(`${url}/readyz`);
          if (answer.ok) return;
          if (Date.now() > givenUpAt) throw new Error(`The platform does not become ready: ${await answer.text()}`);
          await delay(200);
        }
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What an operator would set: a PostgreSQL, its roles, token keys, addresses. */
async function clusterSettings(folder: string, stops: (() => Promise<unknown>)[]): Promise<NodeJS.ProcessEnv> {
  const postgres = await startPostgres();
  stops.push(() => postgres.stop());
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const privateFile = join(folder, 'token-private.pem');
  const publicFile = join(folder, 'token-public.pem');
  await writeFile(privateFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  await writeFile(publicFile, publicKey.export({ type: 'spki', format: 'pem' }));
  const settings = {
    TOUCHSTONE_DATABASE_URL: postgres.url,
    ...Object.fromEntries(
      migratedServices.flatMap((name) => [
        [`TOUCHSTONE_${name.toUpperCase()}_DATABASE_URL`, postgres.urlOf(name)],
        [`TOUCHSTONE_${name.toUpperCase()}_SYSTEM_DATABASE_URL`, postgres.urlOf(`${name}_system`)],
      ]),
    ),
    TOUCHSTONE_TOKEN_PRIVATE_KEY_FILE: privateFile,
    TOUCHSTONE_TOKEN_PUBLIC_KEY_FILE: publicFile,
  };
  await runTouchstone(['migrate'], settings);
  return settings;
}
