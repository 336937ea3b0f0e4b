import { TritonBusy, TritonClient, TritonDeadline, TritonRefused, TritonUnavailable, TritonUnknownModel } from '@touchstone/triton-client';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import type { layTinyModel } from './tiny-model.ts';

/** A server of models, model-server or the real Triton, as a client of ours may meet it. */
export interface InferenceServer {
  readonly name: string;
  /** Its folder of `model-repository`. */
  readonly overlay: string;
  /** Lays the model of tiny-model.ts for its backend. */
  readonly lay: typeof layTinyModel;
  /** Starts on a folder in Triton's layout, and tries to load all that is there. */
  start(repository: string): Promise<{ url: string; stop(): Promise<void> }>;
}

const batching = (queue = '') => `dynamic_batching { preferred_batch_size: 16 max_queue_delay_microseconds: 3000000 ${queue} }`;
const matrix = (rows: number, ...values: number[]) => ({ shape: [rows, values.length / rows], data: Float32Array.from(values) });
const row = (...values: number[]) => ({ x: matrix(1, ...values) });
const failure = (call: Promise<unknown>): Promise<unknown> => call.then(() => expect.fail('it was answered'), (error: unknown) => error);

/** What both servers do alike, over models that say what happened to a request. */
export function inferenceServerContract(server: InferenceServer): void {
  describe(`${server.name} as a server of tensors`, () => {
    let repository: string;
    let running: Awaited<ReturnType<InferenceServer['start']>>;
    let client: TritonClient;
    const stateOf = async (name: string) => (await client.repositoryIndex()).find((model) => model.name === name);

    beforeAll(async () => {
      repository = await mkdtemp(join(tmpdir(), 'inference-server-'));
      for (const name of ['plain', 'steady', 'wide']) await server.lay(repository, name);
      for (const name of ['patient', 'late', 'leaving']) await server.lay(repository, name, batching());
      await server.lay(repository, 'full', batching('default_queue_policy { max_queue_size: 1 }'));
      await server.lay(repository, 'corrupt', '', Buffer.from('these bytes are no model'));
      running = await server.start(repository);
      client = new TritonClient(running.url);
      await vi.waitFor(async () => {
        const states = (await client.repositoryIndex()).map(({ name, state }) => [name, state]);
        expect(states.sort()).toEqual([['corrupt', 'UNAVAILABLE'], ...['full', 'late', 'leaving', 'patient', 'plain', 'steady', 'wide'].map((name) => [name, 'READY'])]);
      }, 20_000);
    });
    afterAll(async () => {
      client?.close();
      await running?.stop();
      await rm(repository, { recursive: true, force: true });
    });

    it('is alive, and ready only when every model is', async () => {
      expect(await client.live()).toBe(true);
      expect(await client.ready()).toBe(false);
      expect(await client.modelReady('plain')).toBe(true);
      expect(await client.modelReady('plain', { version: '1' })).toBe(true);
      expect(await client.modelReady('plain', { version: '2' })).toBe(false);
      expect(await client.modelReady('corrupt')).toBe(false);
      expect(await client.modelReady('nobody')).toBe(false);
    });

    it('describes a model with its batch dimension', async () => {
      const { platform, ...described } = await client.modelMetadata('plain');
      expect(platform).toMatch(/^(onnxruntime_onnx|python)$/);
      expect(described).toEqual({
        name: 'plain',
        versions: ['1'],
        inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, -1] }],
        outputs: [
          { name: 'doubled', datatype: 'FP32', shape: [-1, -1] },
          { name: 'rows', datatype: 'FP32', shape: [-1, -1] },
        ],
      });
    });

    it('answers with the outputs that were asked for, all without a wish', async () => {
      const all = await client.infer('plain', { x: matrix(2, 1, 2, 3, 4) });
      expect(all).toEqual({ doubled: matrix(2, 2, 4, 6, 8), rows: matrix(2, 2, 2, 2, 2) });
      const one = await client.infer('plain', { x: matrix(2, 1, 2, 3, 4) }, { outputs: ['doubled'], version: '1' });
      expect(one).toEqual({ doubled: matrix(2, 2, 4, 6, 8) });
    });

    it('carries every bit of a number, and a tensor without elements', async () => {
      const { doubled } = await client.infer('plain', row(Number.NaN, Number.NEGATIVE_INFINITY, -0, 2 ** -149, 1 / 3));
      expect(doubled.data).toEqual(Float32Array.of(Number.NaN, Number.NEGATIVE_INFINITY, -0, 2 ** -148, 2 * Math.fround(1 / 3)));
      expect((await client.infer('plain', row())).doubled).toEqual({ shape: [1, 0], data: new Float32Array() });
    });

    it('runs requests that are in flight as one batch, and each gets its own answer', async () => {
      const values = Array.from({ length: 16 }, (_, value) => value);
      const answers = await Promise.all(values.map((value) => client.infer('patient', row(value, value))));
      expect(answers.map(({ doubled }) => doubled.data[1])).toEqual(values.map((value) => 2 * value));
      expect(answers.map(({ rows }) => rows.data[0])).toEqual(new Array(16).fill(16));
    });

    it('serves many callers at once, each its own shape and answer', async () => {
      const callers = Array.from({ length: 8 }, () => new TritonClient(running.url));
      const calls = callers.flatMap((caller, number) =>
        Array.from({ length: 25 }, async (_, turn) => {
          const values = new Array<number>(1 + (turn % 4)).fill(100 * number + turn);
          const { doubled } = await caller.infer('plain', row(...values), { outputs: ['doubled'] });
          expect(doubled.data).toEqual(Float32Array.from(values, (value) => 2 * value));
        }),
      );
      expect(await Promise.all(calls)).toHaveLength(200);
      for (const caller of callers) caller.close();
    });

    it.each([
      ['a missing input', {}],
      ['an unknown input', { ...row(1), z: matrix(1, 1) }],
      ['another data type', { x: { shape: [1, 1], data: BigInt64Array.of(1n) } }],
      ['another rank', { x: { shape: [1], data: Float32Array.of(1) } }],
      ['no row', { x: { shape: [0, 1], data: new Float32Array() } }],
      ['too many rows', { x: matrix(17, ...new Array<number>(17).fill(1)) }],
      ['bytes that do not fit', { x: { shape: [1, 3], data: Float32Array.of(1) } }],
      ['a negative size', { x: { shape: [-1, -1], data: Float32Array.of(1) } }],
    ])('refuses %s, once and for all', async (_, inputs) => {
      const refused = await failure(client.infer('plain', inputs));
      expect(refused).toMatchObject({ name: 'TritonRefused', method: 'ModelInfer' });
    });

    it('refuses an output that the model does not have', async () => {
      expect(await failure(client.infer('plain', row(1), { outputs: ['tripled'] }))).toMatchObject({ name: 'TritonRefused' });
    });

    it('knows no model and no version that is not there', async () => {
      expect(await failure(client.infer('nobody', row(1)))).toBeInstanceOf(TritonUnknownModel);
      expect(await failure(client.infer('../plain', row(1)))).toBeInstanceOf(TritonUnknownModel);
      expect(await failure(client.modelMetadata('nobody'))).toBeInstanceOf(TritonUnknownModel);
      expect(await failure(client.infer('plain', row(1), { version: '2' }))).toBeInstanceOf(TritonUnknownModel);
      expect(await failure(client.modelMetadata('plain', { version: '2' }))).toBeInstanceOf(TritonUnknownModel);
      expect(await failure(client.infer('plain', row(1), { version: 'newest' }))).toBeInstanceOf(TritonRefused);
    });

    it('says why a model does not load, and goes on with the others', async () => {
      expect((await stateOf('corrupt'))?.reason).toMatch(/protobuf/i);
      expect(await failure(client.infer('corrupt', row(1)))).toBeInstanceOf(TritonUnavailable);
      const refused = await failure(client.loadModel('corrupt'));
      expect(refused).toMatchObject({ name: 'TritonRefused', detail: expect.stringMatching(/corrupt.*protobuf/is) });
      expect(await client.modelReady('plain')).toBe(true);
    });

    it('says busy to all but those that fit in the queue', async () => {
      const enough = new AbortController();
      const failures: unknown[] = [];
      const calls = Array.from({ length: 4 }, () =>
        client.infer('full', row(1), { signal: enough.signal }).catch((error: unknown) => failures.push(error)),
      );
      await expect.poll(() => failures.length).toBe(3);
      expect(failures.every((error) => error instanceof TritonBusy)).toBe(true);
      enough.abort(new Error('no longer wanted'));
      await Promise.all(calls);
      expect(failures[3]).toBe(enough.signal.reason);
    });

    it('answers no later than the deadline', async () => {
      expect(await failure(client.infer('late', row(1), { timeoutMs: 200 }))).toBeInstanceOf(TritonDeadline);
    });

    it('leaves out of the batch what was given up while it waited', async () => {
      const giveUp = new AbortController();
      const abandoned = failure(client.infer('patient', row(7), { signal: giveUp.signal }));
      const others = [1, 2].map((value) => client.infer('patient', row(value)));
      await client.modelReady('patient'); // what was sent before has arrived
      giveUp.abort(new Error('no longer wanted'));
      expect(await abandoned).toBe(giveUp.signal.reason);
      expect((await Promise.all(others)).map(({ doubled, rows }) => [doubled.data[0], rows.data[0]])).toEqual([[2, 2], [4, 2]]);
    });

    it('refuses a message that is too large in either direction, and the connection goes on', async () => {
      const small = new TritonClient(running.url, { maxMessageBytes: 100_000 });
      const ones = (count: number) => row(...new Array<number>(count).fill(1));
      for (const tooLarge of [ones(50_000), ones(15_000)]) {
        expect(await failure(small.infer('wide', tooLarge))).toMatchObject({ name: 'TritonRefused', detail: expect.stringContaining('larger than') });
      }
      expect((await small.infer('wide', row(4))).doubled.data[0]).toBe(8);
      small.close();
    });

    it('unloads and loads on request', async () => {
      await client.unloadModel('plain');
      await expect.poll(() => stateOf('plain'), { timeout: 10_000 }).toEqual({ name: 'plain', version: '1', state: 'UNAVAILABLE', reason: 'unloaded' });
      expect(await failure(client.infer('plain', row(1)))).toBeInstanceOf(TritonUnavailable);
      expect(await failure(client.modelMetadata('plain'))).toBeInstanceOf(TritonUnavailable);
      await client.unloadModel('plain');
      await client.unloadModel('nobody');
      await client.loadModel('plain');
      expect((await client.infer('plain', row(4))).doubled.data[0]).toBe(8);
      for (const name of ['nobody', '', '../plain']) expect(await failure(client.loadModel(name))).toBeInstanceOf(TritonUnknownModel);
    });

    it('loads a model whose folder came later', async () => {
      await server.lay(repository, 'newcomer');
      await client.loadModel('newcomer');
      expect((await client.infer('newcomer', row(4))).doubled.data[0]).toBe(8);
    });

    it('answers what waited when its model was unloaded', async () => {
      const waiting = client.infer('leaving', row(4));
      await client.modelReady('leaving'); // what was sent before has arrived
      await client.unloadModel('leaving');
      expect((await waiting).doubled.data[0]).toBe(8);
    });

    it('loads a model again without a call that fails', async () => {
      let isLoading = true;
      let answered = 0;
      const caller = async () => {
        while (isLoading) answered += (await client.infer('steady', row(4))).doubled.data[0] === 8 ? 1 : 0;
      };
      const callers = [caller(), caller(), caller()];
      for (let time = 0; time < 3; time++) await client.loadModel('steady');
      isLoading = false;
      await Promise.all(callers);
      expect(answered).toBeGreaterThan(10);
    });
  });
}
