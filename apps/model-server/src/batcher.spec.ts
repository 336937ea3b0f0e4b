import { expect, it } from 'vitest';

import { Batcher, QueueFull, type BatcherOptions } from './batcher.ts';
import type { RawTensors } from './raw-tensor.ts';

const rows = (values: readonly number[], width = 1): RawTensors => {
  const data = Float32Array.from(values.flatMap((value) => new Array<number>(width).fill(value)));
  return { x: { datatype: 'FP32', shape: [values.length, width], bytes: new Uint8Array(data.buffer) } };
};
const valuesOf = ({ x }: RawTensors): number[] => [...new Float32Array(x.bytes.slice().buffer)];

/** A batcher whose runs end when the test says so. */
function controlled(options: Partial<BatcherOptions> = {}) {
  const runs: { inputs: RawTensors; finish: () => void; fail: (error: Error) => void }[] = [];
  const batcher = new Batcher(
    { maxBatchSize: 4, maxBatchElements: 1_000, preferredBatchSizes: [], maxQueueDelayMs: 0, maxQueueSize: 100, instances: 1, ...options },
    (inputs) => new Promise((resolve, reject) => runs.push({ inputs, finish: () => resolve(inputs), fail: reject })),
  );
  return { batcher, runs };
}

it('joins what waits while a run is under way, and gives each caller its own rows', async () => {
  const { batcher, runs } = controlled();
  const first = batcher.submit(rows([0]));
  const others = [batcher.submit(rows([1])), batcher.submit(rows([2, 3])), batcher.submit(rows([4, 5]))];
  runs[0].finish();
  expect(valuesOf(await first)).toEqual([0]);
  expect(valuesOf(runs[1].inputs)).toEqual([1, 2, 3]); // [4, 5] would be a fifth row
  runs[1].finish();
  expect(valuesOf(await others[0])).toEqual([1]);
  expect(valuesOf(await others[1])).toEqual([2, 3]);
  runs[2].finish();
  expect(valuesOf(await others[2])).toEqual([4, 5]);
});

it('joins equal shapes only, the oldest first', async () => {
  const { batcher, runs } = controlled();
  void batcher.submit(rows([0]));
  for (const [value, width] of [[1, 2], [2, 3], [3, 2]]) void batcher.submit(rows([value], width));
  runs[0].finish();
  await expect.poll(() => runs.length).toBe(2);
  expect(runs[1].inputs.x.shape).toEqual([2, 2]);
  expect(valuesOf(runs[1].inputs)).toEqual([1, 1, 3, 3]);
  runs[1].finish();
  await expect.poll(() => runs.length).toBe(3);
  expect(runs[2].inputs.x.shape).toEqual([1, 3]);
});

it('starts a preferred size at once and waits for company otherwise', () => {
  const { batcher, runs } = controlled({ preferredBatchSizes: [3], maxQueueDelayMs: 60_000 });
  void batcher.submit(rows([1]));
  void batcher.submit(rows([2]));
  expect(runs).toHaveLength(0);
  void batcher.submit(rows([3]));
  expect(runs).toHaveLength(1);
  expect(valuesOf(runs[0].inputs)).toEqual([1, 2, 3]);
});

it('joins no more elements than allowed, and starts when they are reached', () => {
  const { batcher, runs } = controlled({ maxBatchElements: 6, maxQueueDelayMs: 60_000 });
  void batcher.submit(rows([1], 3));
  expect(runs).toHaveLength(0);
  void batcher.submit(rows([2], 3));
  expect(runs[0].inputs.x.shape).toEqual([2, 3]);
});

it('runs as many batches at once as there are instances', () => {
  const { batcher, runs } = controlled({ instances: 2, maxBatchSize: 1 });
  for (const value of [1, 2, 3]) void batcher.submit(rows([value]));
  expect(runs).toHaveLength(2);
});

it('refuses what does not fit in the queue, forgets what was given up, fails all of a failed run', async () => {
  const { batcher, runs } = controlled({ maxQueueSize: 2 });
  void batcher.submit(rows([0]));
  const giveUp = new AbortController();
  const abandoned = batcher.submit(rows([1]), giveUp.signal);
  const failing = batcher.submit(rows([2]));
  await expect(batcher.submit(rows([3]))).rejects.toThrow(QueueFull);
  giveUp.abort(new Error('gone'));
  await expect(abandoned).rejects.toThrow('gone');
  runs[0].finish();
  await expect.poll(() => runs.length).toBe(2);
  expect(valuesOf(runs[1].inputs)).toEqual([2]);
  runs[1].fail(new Error('out of memory'));
  await expect(failing).rejects.toThrow('out of memory');
});

it('runs what waits when it drains, without waiting for company, and says when all is done', async () => {
  const { batcher, runs } = controlled({ preferredBatchSizes: [4], maxQueueDelayMs: 60_000 });
  const waiting = [batcher.submit(rows([1])), batcher.submit(rows([2], 2))];
  expect(runs).toHaveLength(0);
  let isDrained = false;
  const drained = batcher.drain().then(() => (isDrained = true));
  expect(runs).toHaveLength(1);
  runs[0].finish();
  await expect.poll(() => runs.length).toBe(2);
  expect(isDrained).toBe(false);
  runs[1].finish();
  expect((await Promise.all(waiting)).map(valuesOf)).toEqual([[1], [2, 2]]);
  expect(await drained).toBe(true);
});
