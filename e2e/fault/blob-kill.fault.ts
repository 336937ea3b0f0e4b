import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestPlatform, type TestPlatform } from '@touchstone/testing';
import { expect, it, onTestFinished } from 'vitest';
import { record } from './fault-results.ts';

const sizeBytes = 3_000_000;

it('kill -9 in the middle of uploads leaves no half blob, and an upload goes on from its last answered part', async (context) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'touchstone-blob-kill-'));
  let platform: TestPlatform | undefined;
  onTestFinished(async () => {
    await platform?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  platform = await startTestPlatform({ mode: 'one-process', dataDir });
  const key = (await readFile(join(dataDir, 'admin-key'), 'utf8')).trim();
  const send = (method: string, path: string, body?: Uint8Array<ArrayBuffer> | string, headers: Record<string, string> = {}) =>
    fetch(`${platform!.url}${path}`, { method, headers: { authorization: `Bearer ${key}`, ...headers }, body });
  const files = async () => (await readdir(join(dataDir, 'blobs'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).map(({ name }) => name);
  /** Sends half of a body and leaves it at that. */
  const sendHalf = (method: string, path: string, body: Uint8Array, headers: Record<string, string> = {}) => {
    const { hostname, port } = new URL(platform!.url);
    const call = request({ hostname, port, method, path, headers: { authorization: `Bearer ${key}`, 'content-length': String(body.length), ...headers } });
    call.on('error', () => undefined).write(body.subarray(0, body.length / 2));
  };

  const whole = new Uint8Array(randomBytes(sizeBytes));
  const acknowledged = (await (await send('POST', '/v1/blobs', whole)).json()) as { id: string };
  const cut = new Uint8Array(randomBytes(sizeBytes));
  const cutId = createHash('sha256').update(cut).digest('hex');
  const created = await send('POST', '/v1/uploads', JSON.stringify({ bytes: sizeBytes, sha256: cutId }), { 'content-type': 'application/json' });
  const upload = `/v1/uploads/${((await created.json()) as { id: string }).id}`;
  expect((await send('PATCH', upload, cut.slice(0, 1_000_000), { 'upload-offset': '0' })).status).toBe(200);

  const before = (await files()).length;
  sendHalf('POST', '/v1/blobs', cut);
  sendHalf('PATCH', upload, cut.subarray(1_000_000), { 'upload-offset': '1000000' });
  await expect.poll(async () => (await files()).length).toBe(before + 2);
  await platform.processes[0].stop('SIGKILL');
  await platform.stop();

  platform = await startTestPlatform({ mode: 'one-process', dataDir });
  expect((await send('GET', `/v1/blobs/${cutId}`)).status).toBe(404);
  const stored = await send('GET', `/v1/blobs/${acknowledged.id}`);
  expect(createHash('sha256').update(new Uint8Array(await stored.arrayBuffer())).digest('hex')).toBe(acknowledged.id);
  expect(await (await send('GET', upload)).json()).toMatchObject({ offset: 1_000_000 });
  const finished = await send('PATCH', upload, cut.slice(1_000_000), { 'upload-offset': '1000000' });
  expect(await finished.json()).toMatchObject({ blob: { id: cutId, bytes: sizeBytes } });
  expect((await files()).filter((name) => name.length === 64).sort()).toEqual([acknowledged.id, cutId].sort());
  record(context, { fault: 'everything killed (kill -9) in the middle of uploads', seen: 'no half blob; the acknowledged one is whole; an upload goes on from its last answered part' });
});
