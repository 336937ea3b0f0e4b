import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { freePort } from './postgres.ts';
import { pythonEnvironment } from './python-environment.ts';

/** The python backend is built against this one. */
const python = 'python3.11';

/** Triton 2.51 with its python backend, what the overlay `triton-cpu-test` runs models with, and Triton's own client. */
const packages = [
  'nvidia-pytriton==0.5.13', 'numpy==1.26.4',
  'onnxruntime==1.30.0', 'flatbuffers==25.12.19', 'packaging==26.3', 'protobuf==4.25.9',
  'tritonclient==2.51.0', 'grpcio==1.85.1', 'python-rapidjson==1.25', 'typing_extensions==4.16.0', 'urllib3==2.8.0',
];

export interface TritonOptions {
  /** Folder in Triton's layout, for example as `touchstone models pull --overlay triton-cpu-test` lays it. */
  repository: string;
}

export interface Triton {
  /** gRPC, `127.0.0.1:port`. HTTP and metrics are off: this version is older than the fixes of August 2025. */
  readonly url: string;
  /** Process id of tritonserver, for tests that kill it. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** The Python that has `tritonclient`, `numpy` and `onnxruntime`. */
export const tritonPython = async (): Promise<string> => join(await tritonEnvironment(), 'bin/python');

/**
 * The real tritonserver on a free port of loopback, with all models of the repository loaded; one that does not load
 * says why in the index. Later changes are loaded on request only. Ends with the process that started it, even when
 * that is killed. The first call on a machine installs 350 MB into the user's cache.
 *
 * @throws Error that says what to install, or has the end of Triton's log.
 */
export async function startTriton({ repository }: TritonOptions): Promise<Triton> {
  const environment = await tritonEnvironment();
  const sitePackages = join(environment, 'lib', python, 'site-packages');
  const installation = join(sitePackages, 'pytriton/tritonserver');
  const folder = await mkdtemp(join(tmpdir(), 'touchstone-triton-'));
  const sharedMemory = `touchstone-${randomUUID()}-`;
  const url = `127.0.0.1:${await freePort()}`;
  const libraries = await promisify(execFile)(python, ['-c', 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))']);
  await layPythonBackend(installation, join(folder, 'backends/python'));

  const server = spawn(
    join(installation, 'bin/tritonserver'),
    [
      `--model-repository=${repository}`, '--model-control-mode=explicit', '--load-model=*', '--exit-on-error=false',
      `--backend-directory=${join(folder, 'backends')}`, `--backend-config=python,shm-region-prefix-name=${sharedMemory}`,
      '--allow-http=false', '--allow-metrics=false', '--grpc-address=127.0.0.1', `--grpc-port=${url.split(':')[1]}`,
      '--exit-timeout-secs=5',
    ],
    {
      detached: true, // a group of its own, with the processes of its models
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        PATH: [join(environment, 'bin'), process.env.PATH].join(delimiter),
        PYTHONPATH: sitePackages,
        PYTHONDONTWRITEBYTECODE: '1',
        LD_LIBRARY_PATH: [join(sitePackages, 'nvidia_pytriton.libs'), libraries.stdout.trim()].join(delimiter),
      },
    },
  );
  const ended = once(server, 'exit').catch(() => undefined); // it may not even start
  const watch = endWith(server, folder, join('/dev/shm', sharedMemory));
  const handles = [server, server.stderr, watch, watch.stdin] as unknown as { ref(): void; unref(): void }[];
  const stop = async () => {
    for (const handle of handles) handle.ref();
    watch.stdin!.end();
    await Promise.all([ended, once(watch, 'exit')]);
  };
  try {
    await listening(server);
    for (const handle of handles) handle.unref();
    return { url, pid: server.pid!, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const tritonEnvironment = (): Promise<string> => pythonEnvironment('triton', python, packages);

/** The backend looks for the program that runs Python beside itself; the package keeps one for each version of Python. */
async function layPythonBackend(installation: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  const backend = join(installation, 'backends/python');
  const stub = join(installation, 'python_backend_stubs', python.replace('python', ''), 'triton_python_backend_stub');
  const files = (await readdir(backend)).map((name) => [name, join(backend, name)]);
  for (const [name, source] of [...files, ['triton_python_backend_stub', stub]]) await symlink(source, join(target, name));
}

/** Resolves when gRPC is open, which is after all models were tried. */
function listening(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const log: string[] = [];
    const fail = (why: string) => reject(new Error(`tritonserver ${why}:\n${log.join('\n')}`));
    server.once('error', (error) => fail(`does not start (${error.message})`));
    server.once('close', (code) => fail(`ended with ${code}`));
    createInterface(server.stderr!).on('line', (line) => {
      if (log.push(line) > 30) log.shift();
      if (line.includes('Started GRPCInferenceService')) resolve();
    });
  });
}

/**
 * A shell that reads our pipe: when it closes, by `stop` or because this process is gone, however it went, Triton gets
 * 10 s to end, and nothing of it stays.
 */
function endWith(server: ChildProcess, folder: string, sharedMemory: string): ChildProcess {
  const script = `
    cat >/dev/null
    kill -TERM "$0" 2>/dev/null
    for _ in $(seq 100); do kill -0 "$0" 2>/dev/null || break; sleep 0.1; done
    kill -KILL -- "-$0" 2>/dev/null
    rm -rf "$1" "$2"*`;
  const words = ['-c', script, String(server.pid), folder, sharedMemory];
  return spawn('/bin/sh', words, { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
}
