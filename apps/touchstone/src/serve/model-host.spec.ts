import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { log } from '@touchstone/runtime/logging';
import { ModelHost } from './model-host.ts';

it('stops also in the moment after its server was killed', async () => {
  const modelsDir = await mkdtemp(join(tmpdir(), 'touchstone-host-'));
  onTestFinished(() => rm(modelsDir, { recursive: true, force: true }));
  const manifest = join(modelsDir, 'manifest.json');
  await writeFile(manifest, JSON.stringify({ laptop: {} }));
  const error = vi.spyOn(log, 'error');
  onTestFinished(() => error.mockRestore());

  const host = await ModelHost.start({ modelsDir, manifest });
  const { child } = host as unknown as { child: { pid: number } };
  process.kill(child.pid, 'SIGKILL');
  await vi.waitFor(() => expect(error).toHaveBeenCalledWith(expect.objectContaining({ signal: 'SIGKILL' }), expect.any(String)), 10_000);
  await host.stop();
});
