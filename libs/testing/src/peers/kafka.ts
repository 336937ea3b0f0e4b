import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from './postgres.ts';

const run = promisify(execFile);
const version = '4.3.1';
const artifacts = [
  ['org.apache.kafka', 'kafka_2.13', version],
  ['org.slf4j', 'slf4j-simple', '1.7.36'],
] as const;
const startLimitMs = 120_000;

export interface Kafka {
  /** `host:port`, to give to clients; stays the same over restarts. */
  readonly brokers: string[];
  /** `kill -9` of all brokers, or of one by its number; their data stays. */
  kill(broker?: number): Promise<void>;
  /** Stops the brokers in order; their data stays. */
  shutDown(): Promise<void>;
  /** Starts what `kill` or `shutDown` ended. */
  restart(): Promise<void>;
  /** Ends the brokers and deletes their data. */
  stop(): Promise<void>;
}

/**
 * A real Kafka 4.3.1 (KRaft) on loopback, which ends with the process that started it, even when that is killed. Each
 * partition is on one broker; broker 0 is the controller too. Creates no topics by itself. Needs Java 17 and, the first
 * time, Maven, which fetches it into the user's cache (44 MB).
 */
export async function startKafka({ brokers = 1 }: { brokers?: number } = {}): Promise<Kafka> {
  const classPath = join(await library(), '*');
  const { stdout } = await run('java', ['-cp', classPath, 'kafka.tools.StorageTool', 'random-uuid']);
  const cluster = stdout.trim();
  const controllerPort = await freePort();
  const places: BrokerPlace[] = [];
  const running = new Map<number, Broker>();
  const end = async (signal: NodeJS.Signals, only?: number) => {
    // The controller last: it lets the others go.
    for (const [number, broker] of [...running].filter(([number]) => only === undefined || number === only).reverse()) {
      await broker.end(signal);
      running.delete(number);
    }
  };
  const restart = async () => {
    for (const [number, place] of places.entries()) if (!running.has(number)) running.set(number, await startBroker(place));
  };
  const stop = async () => {
    await end('SIGKILL');
    for (const { folder } of places) await rm(folder, { recursive: true, force: true });
  };
  try {
    for (let number = 0; number < brokers; number += 1) {
      const folder = await mkdtemp(join(tmpdir(), 'touchstone-kafka-'));
      const place = { folder, classPath, properties: join(folder, 'server.properties'), port: await freePort() };
      places.push(place);
      await writeFile(place.properties, serverProperties({ ...place, number, controllerPort }));
      await run('java', ['-cp', classPath, 'kafka.tools.StorageTool', 'format', '-t', cluster, '-c', place.properties]);
    }
    await restart();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    brokers: places.map(({ port }) => `127.0.0.1:${port}`),
    kill: (broker) => end('SIGKILL', broker),
    shutDown: () => end('SIGTERM'),
    restart,
    stop,
  };
}

interface BrokerPlace {
  readonly folder: string;
  readonly classPath: string;
  readonly properties: string;
  readonly port: number;
}

interface Broker {
  end(signal: NodeJS.Signals): Promise<void>;
}

/** The shell reads our pipe: when this process is gone, however it went, so are the broker and its data. */
const watched = 'folder=$1; shift; "$@" >>"$folder/log" 2>&1 & echo $!; cat >/dev/null; kill -9 $!; wait; rm -rf "$folder"';

async function startBroker({ folder, classPath, properties, port }: BrokerPlace): Promise<Broker> {
  const java = ['java', '-Xmx512m', '-Xms128m', '-XX:+UseSerialGC', '-cp', classPath, 'kafka.Kafka', properties];
  const shell = spawn('/bin/sh', ['-c', watched, 'sh', folder, ...java], { detached: true, stdio: ['pipe', 'pipe', 'ignore'] });
  const lines = createInterface(shell.stdout);
  const pid = Number((await once(lines, 'line'))[0]);
  lines.close();
  letGo(shell);
  const end = async (signal: NodeJS.Signals) => {
    shell.kill('SIGKILL'); // First, or it would delete the data.
    if (isRunning(pid)) process.kill(pid, signal);
    while (isRunning(pid)) await setTimeout(20);
  };
  const limit = performance.now() + startLimitMs;
  while (!(await answers(port))) {
    if (isRunning(pid) && performance.now() < limit) {
      await setTimeout(100);
      continue;
    }
    const log = await readFile(join(folder, 'log'), 'utf8').catch(() => '');
    await end('SIGKILL');
    throw new Error(`Kafka does not start:\n${log.split('\n').slice(-20).join('\n')}`);
  }
  return { end };
}

/** The test process may end although the broker runs. */
function letGo(shell: ChildProcess): void {
  shell.unref();
  for (const stream of [shell.stdin, shell.stdout]) (stream as unknown as { unref(): void }).unref();
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The broker opens its port when it serves. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => (socket.destroy(), resolve(true))).once('error', () => resolve(false));
  });
}

const serverProperties = ({ folder, port, number, controllerPort }: BrokerPlace & { number: number; controllerPort: number }): string => `
process.roles=${number === 0 ? 'broker,controller' : 'broker'}
node.id=${number + 1}
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port}${number === 0 ? `,CONTROLLER://127.0.0.1:${controllerPort}` : ''}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=${folder}/data
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=2
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
`;

/** The folder with Kafka's jars, fetched once. */
async function library(): Promise<string> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'touchstone-ci', 'kafka');
  const folder = join(cache, version);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const fetching = await mkdtemp(join(cache, 'fetch-'));
  try {
    const dependencies = artifacts.map(([group, name, of]) => `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${of}</version></dependency>`);
    const project = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>touchstone</groupId><artifactId>kafka</artifactId><version>1</version>`;
    await writeFile(join(fetching, 'pom.xml'), `${project}<dependencies>${dependencies.join('')}</dependencies></project>`);
    await run('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=jars'], { cwd: fetching });
    await rename(join(fetching, 'jars'), folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error; // Another process was faster.
    });
    return folder;
  } catch (error) {
    throw new Error('Kafka could not be fetched: it takes Java 17, Maven (mvn) and a Maven repository.', { cause: error });
  } finally {
    await rm(fetching, { recursive: true, force: true });
  }
}
