import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMilvus, startTestPlatform } from '@touchstone/testing';
import { expect, it, onTestFinished, vi } from 'vitest';

it('searches in Milvus; while it is away writes answer 200, searches are degraded or 503 with Retry-After, and readyz names the index', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'touchstone-milvus-index-'));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const milvus = await startMilvus({ timeTickMs: 20 });
  onTestFinished(() => milvus.stop());
  const environment = { TOUCHSTONE_RETRIEVAL_INDEX: 'milvus', TOUCHSTONE_MILVUS_ADDRESS: milvus.address, TOUCHSTONE_MILVUS_SEARCHED_VECTORS: '4' };
  const platform = await startTestPlatform({ mode: 'one-process', dataDir, environment });
  onTestFinished(() => platform.stop());
  const key = (await readFile(join(dataDir, 'admin-key'), 'utf8')).trim();
  const call = (method: string, path: string, body: object, collection = 'notes') =>
    fetch(`${platform.url}/v1/collections/${collection}${path}`, { method, headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const spaces = { spaces: [{ name: 'own', dimension: 4, modelVersion: 'mine@1', kinds: ['note'] }] };
  const search = (more: object = {}) => call('POST', '/search', { ...more, query: { space: 'own', vector: [0, 1, 0, 0] }, limit: 5, filter: { all: [{ field: 'colour', equals: 'it\'s "blue" \\ true' }] } });
  const item = (id: string, note: number[]) => ({ id, attributes: { colour: 'it\'s "blue" \\ true' }, vectors: { own: { note } } });
  const idsCome = (ids: readonly string[]) =>
    vi.waitFor(async () => {
      const answer = await search();
      const { hits } = (await answer.json()) as { hits?: { id: string }[] };
      expect(hits?.map(({ id }) => id), String(answer.status)).toEqual(ids);
    }, { timeout: 90_000, interval: 200 });

  expect((await call('PUT', '', spaces)).status).toBe(200);
  expect((await call('POST', '/items:upsert', { items: [item('a', [0, 1, 0, 0]), item('b', [1, 1, 0, 0])] })).status).toBe(200);
  await idsCome(['a', 'b']);

  await milvus.kill();
  const written = await call('POST', '/items:upsert', { items: [item('c', [1, 2, 0, 0])] });
  expect(written.status).toBe(200);
  const degraded = await (await search({ explain: true })).json() as { hits: { id: string }[]; explanation: { spaces: { route: string }[] } };
  expect(degraded.hits.map(({ id }) => id)).toEqual(['a', 'c', 'b']);
  expect(degraded.explanation.spaces[0].route).toBe('degraded');
  expect((await call('PUT', '', spaces, 'larger')).status).toBe(200);
  expect((await call('POST', '/items:upsert', { items: ['a', 'b', 'c', 'd', 'e'].map((id) => item(id, [1, 0, 0, 0])) }, 'larger')).status).toBe(200);
  const refused = await call('POST', '/search', { query: { space: 'own', vector: [0, 1, 0, 0] } }, 'larger');
  expect(refused.status).toBe(503);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  await vi.waitFor(async () => {
    const { parts } = (await (await fetch(`${platform.url}/readyz`)).json()) as { parts: { part: string; detail?: string }[] };
    expect(parts).toContainEqual(expect.objectContaining({ part: 'index', isReady: true, detail: expect.stringContaining('Milvus') }));
  }, { timeout: 30_000 });

  await milvus.restart('empty');
  await idsCome(['a', 'c', 'b']);
});
