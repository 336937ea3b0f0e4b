import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, it } from 'vitest';

import { editGraph, emptyModel, type GraphEdit } from './onnx-graph.ts';

const value = (name: string) => ({ name, type: 'FLOAT' as const, shape: ['batch', 2] });
const constant = (name: string, ...values: number[]) => ({ name, type: 'FLOAT' as const, dims: [values.length], data: Float32Array.from(values) });

/** x → y = x + 1, and z = y · 100 by a constant of its own. */
const grown: GraphEdit = {
  removed: [],
  inputs: [value('x')],
  outputs: [value('y'), value('z')],
  constants: [constant('one', 1, 1), constant('hundred', 100, 100)],
  after: [
    { type: 'Add', inputs: ['x', 'one'], output: 'y' },
    { type: 'Mul', inputs: ['y', 'hundred'], output: 'z' },
  ],
};
const base = editGraph(emptyModel(), grown);

async function run(model: Uint8Array, input: string): Promise<Record<string, number[]>> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  const outputs = await session.run({ [input]: new Tensor('float32', [3, 4], [1, 2]) });
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, [...(data as Float32Array)]]));
}

it('adds inputs, nodes, constants and outputs', async () => {
  expect(await run(base, 'x')).toEqual({ y: [4, 5], z: [400, 500] });
});

it('renames an input, taps an inner value, and leaves out what nothing needs', async () => {
  const edited = editGraph(base, {
    removed: ['x', 'y', 'z'],
    inputs: [value('renamed')],
    before: [{ type: 'Identity', inputs: ['renamed'], output: 'x' }],
    after: [{ type: 'ReduceSum', inputs: ['y'], output: 'sum', attributes: { keepdims: 0 } }],
    outputs: [{ name: 'sum', type: 'FLOAT', shape: [] }],
  });
  expect(await run(edited, 'renamed')).toEqual({ sum: [9] });
  expect(Buffer.from(base).includes('hundred')).toBe(true);
  expect(Buffer.from(edited).includes('hundred')).toBe(false);
});

it('gives the same bytes each time', () => {
  expect(Buffer.compare(editGraph(emptyModel(), grown), base)).toBe(0);
});

it('refuses a name that is not there, and bytes that are no model', () => {
  const edit = { removed: ['w'], outputs: [], after: [] };
  expect(() => editGraph(base, edit)).toThrow('no input or output w');
  expect(() => editGraph(new Uint8Array(), edit)).toThrow('no graph');
  expect(() => editGraph(base.subarray(0, base.length - 20), edit)).toThrow('cut short');
});
