import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from './postgres.ts';
import { pythonEnvironment } from './python-environment.ts';

const version = '2.3.5';
const startLimitMs = 120_000;

export interface MilvusOptions {
  /** How often its clock goes on, and so how long a Strong read waits; 200 as it comes. */
  readonly timeTickMs?: number;
}

export interface Milvus {
  /** gRPC, `127.0.0.1:port`; stays the same over restarts. */
  readonly address: string;
  /** Bytes of memory that the server alone has, as Linux counts them (PSS). */
  memory(): Promise<number>;
  /** `kill -9` of the server; its data stays. */
  kill(): Promise<void>;
  /** After `kill`: with the data that it had, or with an empty disk. */
  restart(disk?: 'kept' | 'empty'): Promise<void>;
  /** Ends the server and deletes its data. */
  stop(): Promise<void>;
}

/**
 * A real Milvus 2.3.5 (standalone, with its own etcd, storage and message queue), which ends with the process that started it, even
 * when that is killed. The first call on a machine installs 550 MB into the user's cache; needs Python 3 with venv and pip.
 *
 * @throws Error that says what to install, or has the end of Milvus's log.
 */
export async function startMilvus({ timeTickMs = 200 }: MilvusOptions = {}): Promise<Milvus> {
  const { programs, template, logging } = await installation();
  const folder = await mkdtemp(join(tmpdir(), 'touchstone-milvus-'));
  const ports = new Map<string, number>();
  const healthPort = await freePort();
  const etcdPorts = { client: await freePort(), peer: await freePort() };
  for (const name of portNames(template)) ports.set(name, await freePort());
  const start = async () => {
    await mkdir(join(folder, 'configs'), { recursive: true });
    await writeFile(join(folder, 'configs/milvus.yaml'), configuration(template, folder, ports, timeTickMs));
    await writeFile(join(folder, 'configs/etcd.yaml'), etcdConfiguration(folder, etcdPorts));
    await copyFile(logging, join(folder, 'configs/glog.conf'));
    return startServer({ folder, programs, healthPort });
  };
  let server: Server | undefined;
  try {
    server = await start();
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  const kill = async () => {
    await server?.kill();
    server = undefined;
  };
  return {
    address: `127.0.0.1:${ports.get('proxy_port')}`,
    memory: async () => Number(/^Pss:\s+(\d+)/m.exec(await readFile(`/proc/${server!.pid}/smaps_rollup`, 'utf8'))![1]) * 1024,
    kill,
    async restart(disk = 'kept') {
      if (server) throw new Error('Milvus runs; kill it first.');
      if (disk === 'empty') await rm(folder, { recursive: true });
      server = await start();
    },
    async stop() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Server {
  readonly pid: number;
  kill(): Promise<void>;
}

/** The shell reads our pipe: when this process is gone, however it went, so are the server and its data. */
const watched = 'cd "$1" && "$2/milvus" run standalone >>"$1/log" 2>&1 & echo $!; cat >/dev/null; kill -9 $!; wait; rm -rf "$1"';

async function startServer({ folder, programs, healthPort }: { folder: string; programs: string; healthPort: number }): Promise<Server> {
  const shell = spawn('/bin/sh', ['-c', watched, 'sh', folder, programs], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...process.env, DEPLOY_MODE: 'STANDALONE', METRICS_PORT: String(healthPort), MILVUS_RUN_DIR: join(folder, 'run'), LD_LIBRARY_PATH: programs },
  });
  const lines = createInterface(shell.stdout);
  const subshell = Number((await once(lines, 'line'))[0]);
  lines.close();
  shell.unref();
  for (const stream of [shell.stdin, shell.stdout]) (stream as unknown as { unref(): void }).unref();
  const kill = async () => {
    shell.kill('SIGKILL'); // First, or it would delete the data.
    if (isRunning(subshell)) process.kill(subshell, 'SIGKILL');
    while (isRunning(subshell)) await setTimeout(20);
  };
  const limit = performance.now() + startLimitMs;
  while (!(await isHealthy(healthPort))) {
    if (isRunning(subshell) && performance.now() < limit) {
      await setTimeout(100);
      continue;
    }
    const log = await readFile(join(folder, 'log'), 'utf8').catch(() => '');
    await kill();
    throw new Error(`Milvus does not start:\n${log.split('\n').slice(-20).join('\n')}`);
  }
  return { pid: subshell, kill };
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const isHealthy = (port: number): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(5_000) }).then(async (answer) => answer.ok && (await answer.text()).includes('OK'), () => false);

/** Placeholders look like `{{ proxy_port(int): 19530 }}`. */
const placeholder = /\{\{\s*(\w+)(?:\(\w+\))?\s*(?::\s*([^}]*?))?\s*\}\}/g;

const portNames = (template: string): string[] => [...template.matchAll(placeholder)].map(([, name]) => name).filter((name) => name.endsWith('_port'));

function configuration(template: string, folder: string, ports: ReadonlyMap<string, number>, timeTickMs: number): string {
  const values: Readonly<Record<string, string>> = {
    etcd_log_path: join(folder, 'etcd.log'),
    system_log_path: join(folder, 'logs'),
    etcd_data_dir: join(folder, 'data/etcd'),
    local_storage_dir: join(folder, 'data'),
    rocksmq_data_dir: join(folder, 'data/rocksmq'),
    etcd_log_level: 'warn',
  };
  return template
    .replace(placeholder, (_, name: string, standard = '') => values[name] ?? String(ports.get(name) ?? standard))
    .replace(/^( +session:\n +ttl:) \d+/m, '$1 15') // a killed server's parts are taken over sooner
    .replace(/^( +timeTickInterval:) \d+/m, `$1 ${timeTickMs}`)
    .replace('\netcd:\n', `\netcd:\n  config:\n    path: ${join(folder, 'configs/etcd.yaml')}\n`);
}

/** Without it the embedded etcd takes its usual ports, so that there could be one Milvus on a machine. */
const etcdConfiguration = (folder: string, { client, peer }: { client: number; peer: number }): string => `
name: default
data-dir: ${join(folder, 'data/etcd')}
log-level: warn
log-outputs: [${join(folder, 'etcd.log')}]
listen-client-urls: http://127.0.0.1:${client}
advertise-client-urls: http://127.0.0.1:${client}
listen-peer-urls: http://127.0.0.1:${peer}
initial-advertise-peer-urls: http://127.0.0.1:${peer}
initial-cluster: default=http://127.0.0.1:${peer}
`;

/** The package's programs, unpacked once: it would unpack them into each folder of data. */
async function installation(): Promise<{ programs: string; template: string; logging: string }> {
  const environment = await pythonEnvironment('milvus', 'python3', [`milvus==${version}`]);
  const python = join(environment, 'bin/python');
  const { stdout } = await promisify(execFile)(python, ['-c', 'import milvus, os; print(os.path.dirname(milvus.__file__))']);
  const data = join(stdout.trim(), 'data');
  const unpacked = join(environment, 'unpacked');
  if (!existsSync(unpacked)) {
    const made = await mkdtemp(join(environment, 'unpacking-'));
    await promisify(execFile)(python, ['-c', 'import milvus, sys; milvus._initialize_data_files(sys.argv[1])', made]);
    await rename(made, unpacked).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error; // Another process was faster.
      return rm(made, { recursive: true });
    });
  }
  return { programs: join(unpacked, 'bin'), template: await readFile(join(data, 'config.yaml.template'), 'utf8'), logging: join(data, 'glog.conf') };
}
