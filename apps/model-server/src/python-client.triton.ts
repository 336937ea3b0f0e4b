import { tritonPython } from '@touchstone/testing';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { TritonClient } from '@touchstone/triton-client';
import { expect, it, onTestFinished, vi } from 'vitest';

import { modelServer, triton } from './tested-servers.ts';

const script = fileURLToPath(new URL('./python_client.py', import.meta.url));

it.each([modelServer, triton])('$name keeps what Triton’s own Python client expects', async ({ lay, start }) => {
  const repository = await mkdtemp(join(tmpdir(), 'python-client-'));
  onTestFinished(() => rm(repository, { recursive: true, force: true }));
  await lay(repository, 'plain');
  const { url, stop } = await start(repository);
  onTestFinished(stop);
  const client = new TritonClient(url);
  await vi.waitFor(async () => expect(await client.modelReady('plain')).toBe(true), 10_000);
  client.close();

  const { stderr } = await promisify(execFile)(await tritonPython(), [script, url]);
  expect(stderr).toMatch(/Ran 13 tests in .*\n\nOK/);
});
