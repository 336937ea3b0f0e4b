import { TritonBusy, TritonClient, TritonDeadline, TritonRefused, TritonUnavailable, TritonUnknownModel } from '@touchstone/triton-client';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { startModelServer, type ModelServer } from './index.ts';
import { layTinyModel } from './tiny-model.ts';

let folder: string;
let server: ModelServer;
let client: TritonClient;

const row = (...values: number[]) => ({ x: { shape: [1, values.length], data: Float32Array.from(values) } });
const stateOf = async (name: string) => (await client.repositoryIndex()).find((model) => model.name === name);
const becomes = (name: string, state: string) =>
  vi.waitFor(async () => expect((await stateOf(name))?.state).toBe(state), { timeout: 10_000 });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'model-server-'));
  const repository = join(folder, 'repository');
  await layTinyModel(repository, 'patient', 'dynamic_batching { preferred_batch_size: 16 max_queue_delay_microseconds: 5000000 }');
  await layTinyModel(repository, 'plain');
  await layTinyModel(repository, 'full', 'dynamic_batching { max_queue_delay_microseconds: 300000000 default_queue_policy { max_queue_size: 1 } }');
  await layTinyModel(repository, 'corrupt', '', Buffer.from('these bytes are no model'));
  await layTinyModel(repository, 'mismatched', 'output { name: "absent" data_type: TYPE_FP32 dims: -1 }');
  server = await startModelServer({ modelRepository: repository, listen: `unix:${folder}/socket`, threads: 1, pollMs: 50, log: () => {} });
  client = new TritonClient(server.url);
  await becomes('plain', 'READY');
  await becomes('patient', 'READY');
  await becomes('full', 'READY');
});

afterAll(async () => {
  client?.close();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

it('runs a model and describes it', async () => {
  const { doubled } = await client.infer('plain', row(1, 2, 3), { outputs: ['doubled'] });
  expect(doubled).toEqual({ shape: [1, 3], data: Float32Array.of(2, 4, 6) });
  expect(await client.modelMetadata('plain')).toEqual({
    name: 'plain',
    versions: ['1'],
    platform: 'onnxruntime_onnx',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, -1] }],
    outputs: [
      { name: 'doubled', datatype: 'FP32', shape: [-1, -1] },
      { name: 'rows', datatype: 'FP32', shape: [-1, -1] },
    ],
  });
  expect(await client.live()).toBe(true);
});

it('runs 16 requests that are in flight as one batch, and each gets its own answer', async () => {
  const answers = await Promise.all(Array.from({ length: 16 }, (_, value) => client.infer('patient', row(value, value))));
  expect(answers.map(({ doubled }) => doubled.data[1])).toEqual(Array.from({ length: 16 }, (_, value) => value * 2));
  expect(answers.map(({ rows }) => rows.data[0])).toEqual(new Array(16).fill(16));
});

it('says why a model is not ready, and goes on with the others', async () => {
  await becomes('corrupt', 'UNAVAILABLE');
  await becomes('mismatched', 'UNAVAILABLE');
  expect((await stateOf('corrupt'))?.reason).toMatch(/protobuf|model/i);
  expect((await stateOf('mismatched'))?.reason).toContain('output absent');
  await expect(client.infer('corrupt', row(1))).rejects.toThrow(TritonUnavailable);
  expect(await client.ready()).toBe(false);
  expect(await client.modelReady('plain')).toBe(true);
});

it('loads a model whose files appear or are repaired, without a restart', async () => {
  const repository = join(folder, 'repository');
  await layTinyModel(repository, 'late', '', new Uint8Array());
  await rm(join(repository, 'late/1/model.onnx'));
  await becomes('late', 'UNAVAILABLE');
  expect((await stateOf('late'))?.reason).toContain('model.onnx is missing');
  await layTinyModel(repository, 'late');
  await becomes('late', 'READY');
});

it('unloads and loads on request', async () => {
  await client.unloadModel('plain');
  expect((await stateOf('plain'))?.reason).toBe('unloaded');
  await expect(client.infer('plain', row(1))).rejects.toThrow('unloaded');
  await client.loadModel('plain');
  expect((await client.infer('plain', row(4))).doubled.data[0]).toBe(8);
  await expect(client.loadModel('corrupt')).rejects.toThrow(TritonRefused);
  await expect(client.loadModel('nobody')).rejects.toThrow(TritonUnknownModel);
});

it('keeps serving the old graph when a reload fails', async () => {
  const repository = join(folder, 'repository');
  await layTinyModel(repository, 'steady');
  await becomes('steady', 'READY');
  await writeFile(join(repository, 'steady/1/model.onnx'), 'broken');
  await expect.poll(async () => (await stateOf('steady'))?.reason, { timeout: 10_000 }).toContain('the last reload failed');
  expect((await client.infer('steady', row(4))).doubled.data[0]).toBe(8);
});

it.each([
  ['a missing input', {}, 'input x is missing'],
  ['another type', { x: { shape: [1, 1], data: BigInt64Array.of(1n) } }, 'INT64, expected FP32'],
  ['another rank', { x: { shape: [1], data: Float32Array.of(1) } }, 'shape [1], expected [-1,-1]'],
  ['too many rows', { x: { shape: [17, 1], data: new Float32Array(17) } }, '17 rows, expected 1 to 16'],
  ['no row', { x: { shape: [0, 1], data: new Float32Array() } }, '0 rows'],
  ['bytes that do not fit', { x: { shape: [1, 3], data: Float32Array.of(1) } }, '12 bytes, and 4 came'],
  ['an unknown input', { ...row(1), z: { shape: [1, 1], data: Float32Array.of(1) } }, 'input z is not known'],
])('refuses %s', async (_, inputs, reason) => {
  const refused = await client.infer('plain', inputs).catch((error) => error);
  expect(refused).toBeInstanceOf(TritonRefused);
  expect(refused.message).toContain(reason);
});

it('tells a busy, an absent, an unknown and a late answer apart', async () => {
  const waits = client.infer('full', row(1), { timeoutMs: 3_000 }).catch((error) => error);
  await expect.poll(() => client.infer('full', row(1), { timeoutMs: 300 }).catch((error) => error)).toBeInstanceOf(TritonBusy);
  expect(await waits).toBeInstanceOf(TritonDeadline);
  await expect(client.infer('nobody', row(1))).rejects.toThrow(TritonUnknownModel);
  const nowhere = new TritonClient(`unix:${folder}/nowhere`);
  await expect(nowhere.live()).rejects.toThrow(TritonUnavailable);
  nowhere.close();
});

it('gives up a call whose signal aborts, with the reason of the signal, and takes it out of the queue', async () => {
  const giveUp = new AbortController();
  const call = client.infer('full', row(1), { signal: giveUp.signal });
  giveUp.abort(new Error('no longer wanted')); // in the tick of the call
  await expect(call).rejects.toThrow('no longer wanted');
  await client.live();
  await expect(client.infer('full', row(1), { timeoutMs: 200 })).rejects.toThrow(TritonDeadline); // not busy
});

it('refuses a message above its own limit, and says which', async () => {
  const small = await startModelServer({ modelRepository: folder, listen: `unix:${folder}/small`, maxMessageBytes: 1_000, log: () => {} });
  const caller = new TritonClient(small.url);
  const refused = await caller.infer('plain', row(...new Array<number>(1_000).fill(1))).catch((error) => error);
  expect(refused).toMatchObject({ name: 'TritonRefused', detail: expect.stringMatching(/larger than max \(\d+ vs 1000\)/) });
  expect(await caller.live()).toBe(true);
  caller.close();
  await small.stop();
});
