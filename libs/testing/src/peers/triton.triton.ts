import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { pythonEnvironment } from './python-environment.ts';
import { startTriton } from './triton.ts';

let repository: string;
beforeAll(async () => {
  repository = await mkdtemp(join(tmpdir(), 'triton-repository-'));
  await mkdir(join(repository, 'idle/1'), { recursive: true });
  const tensors = ['input', 'output'].map((kind) => `${kind} { name: "${kind}" data_type: TYPE_FP32 dims: 1 }`);
  await writeFile(join(repository, 'idle/config.pbtxt'), `backend: "python" ${tensors.join(' ')}`);
  await writeFile(join(repository, 'idle/1/model.py'), 'class TritonPythonModel:\n    def execute(self, requests):\n        return []\n');
});
afterAll(() => rm(repository, { recursive: true, force: true }));

const isOpen = (url: string): Promise<boolean> =>
  new Promise((resolve) => {
    const [host, port] = url.split(':');
    const socket = connect(Number(port), host);
    socket.once('error', () => resolve(false)).once('connect', () => resolve(socket.destroy() !== undefined));
  });
/** What all of a server's processes and files have in their names. */
const markOf = async (pid: number) => /shm-region-prefix-name=([\w-]+)/.exec(await readFile(`/proc/${pid}/cmdline`, 'utf8'))![1];
const tracesOf = async (mark: string): Promise<string[]> => {
  const processes = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).split('\n').filter((line) => line.includes(mark));
  return [...processes, ...(await readdir('/dev/shm')).filter((name) => name.includes(mark))];
};

it('starts on loopback and leaves nothing behind', async () => {
  const triton = await startTriton({ repository });
  expect(triton.url).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(await isOpen(triton.url)).toBe(true);
  const mark = await markOf(triton.pid);
  const traces = (await tracesOf(mark)).join('\n');
  for (const part of ['tritonserver', 'triton_python_backend_stub', `\n${mark}`]) expect(traces).toContain(part);
  await triton.stop();
  expect(await isOpen(triton.url)).toBe(false);
  expect(await tracesOf(mark)).toEqual([]);
});

it('ends with its process, also when that is killed', async () => {
  const child = fork(new URL('./triton.child.ts', import.meta.url), [repository]);
  const [{ url, pid }] = (await once(child, 'message')) as [{ url: string; pid: number }];
  const mark = await markOf(pid);
  child.kill('SIGKILL');
  await expect.poll(() => tracesOf(mark), { timeout: 20_000 }).toEqual([]);
  expect(await isOpen(url)).toBe(false);
});

it('leaves nothing behind of a server that was killed itself', async () => {
  const triton = await startTriton({ repository });
  const mark = await markOf(triton.pid);
  process.kill(triton.pid, 'SIGKILL');
  await triton.stop();
  await expect.poll(() => tracesOf(mark)).toEqual([]); // the kernel takes a moment for the processes of the models
});

it('says what to install', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'python-environment-'));
  const cache = process.env.XDG_CACHE_HOME;
  process.env.XDG_CACHE_HOME = folder;
  onTestFinished(async () => {
    if (cache === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = cache;
    await rm(folder, { recursive: true, force: true });
  });
  await expect(pythonEnvironment('triton', 'python3.0', [])).rejects.toThrow(/triton needs python3\.0 with venv and pip; on Debian: apt-get install python3\.0-venv/);

  const broken = join(folder, 'python-without-pip');
  await writeFile(broken, '#!/bin/sh\necho "Error: ensurepip is not available" >&2\nexit 1\n');
  await chmod(broken, 0o755);
  await expect(pythonEnvironment('triton', broken, [])).rejects.toThrow('ensurepip is not available');

  const wrong = pythonEnvironment('triton', 'python3.11', ['no wheel has such a name==1']);
  await expect(wrong).rejects.toThrow('pip cannot install what triton needs (no wheel has such a name==1)');
  expect(await readdir(join(folder, 'touchstone-ci/triton'))).toEqual([]);
});
