import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestPlatform, type TestPlatform } from '@touchstone/testing';
import { expect, it, onTestFinished, vi } from 'vitest';

const items = 1_500;

it('an import that is killed three times goes on where it was, and writes each item once', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'touchstone-import-'));
  let platform: TestPlatform | undefined;
  onTestFinished(async () => {
    await platform?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  let key = '';
  const call = async (method: string, path: string, body?: object | string) => {
    const answer = await fetch(`${platform!.url}/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': typeof body === 'string' ? 'application/jsonl' : 'application/json' },
      body: typeof body === 'string' ? body : body && JSON.stringify(body),
    });
    return (await answer.json()) as Record<string, any>;
  };
  const start = async () => {
    platform = await startTestPlatform({ mode: 'one-process', dataDir });
    await platform.ready();
    key = (await readFile(join(dataDir, 'admin-key'), 'utf8')).trim();
  };

  await start();
  await call('PUT', '/collections/notes', { spaces: ['text'] });
  const lines = Array.from({ length: items }, (_, index) => JSON.stringify({ id: `note-${index}`, title: `Note ${index} on subject ${index % 37}` }));
  const { id: blobId } = await call('POST', '/blobs', lines.join('\n'));
  const { id } = await call('POST', '/collections/notes/items:import', { blobId });

  const reached: number[] = [];
  for (let kill = 0; kill < 3; kill++) {
    await vi.waitFor(async () => expect((await call('GET', `/operations/${id}`)).progress.done).toBeGreaterThan(reached.at(-1) ?? 0), { timeout: 40_000, interval: 30 });
    await platform!.processes[0].stop('SIGKILL');
    await start();
    const { state, progress } = await call('GET', `/operations/${id}`);
    expect(['queued', 'running']).toContain(state);
    expect(progress.done).toBeGreaterThanOrEqual(reached.at(-1) ?? 0);
    reached.push(progress.done);
  }
  await vi.waitFor(
    async () => {
      const { state, result } = await call('GET', `/operations/${id}`);
      expect({ state, result }).toMatchObject({ state: 'succeeded', result: { imported: items, unchanged: 0, refused: 0 } });
    },
    { timeout: 60_000, interval: 200 },
  );
  await vi.waitFor(async () => expect((await call('GET', '/collections/notes')).statistics).toMatchObject({ items, upserts: items }), { timeout: 20_000, interval: 100 });
});
