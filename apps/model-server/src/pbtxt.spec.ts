import { expect, it } from 'vitest';

import { readModelConfig } from './model-config.ts';
import { parsePbtxt } from './pbtxt.ts';

it('reads messages, lists, repeated fields, scalars and comments', () => {
  const text = `
    # a comment with "quotes" and { braces }
    name: "a \\"b\\"" ; count: -3, ratio: 1.5e-3f
    on: true  kind: KIND_CPU
    dims: [ 1, -1 ]  dims: 7
    input { name: 'x' } input: < name: "y" >
    output [ { name: "p" }, { name: "q" } ]
    empty: []`;
  expect(parsePbtxt(text)).toEqual({
    name: ['a "b"'],
    count: [-3],
    ratio: [0.0015],
    on: [true],
    kind: ['KIND_CPU'],
    dims: [1, -1, 7],
    input: [{ name: ['x'] }, { name: ['y'] }],
    output: [{ name: ['p'] }, { name: ['q'] }],
    empty: [],
  });
});

it('keeps a string that looks like a mark or a number', () => {
  expect(parsePbtxt('a: "]" b: "{" c: "12" d: "true"')).toEqual({ a: [']'], b: ['{'], c: ['12'], d: ['true'] });
});

it.each([
  ['a: [ 1, 2', 'line last'],
  ['a: 1\nb {', 'line last'],
  ['a: 1\n\nb: }', 'line 3'],
  ['a: 1\n@', 'line 2'],
  ['a 1', 'line 1'],
  ['}', 'line 1'],
])('refuses %j and says where', (text, where) => expect(() => parsePbtxt(text)).toThrow(where));

const tensors = 'input { name: "x" data_type: TYPE_FP32 dims: -1 } output { name: "y" data_type: TYPE_INT64 dims: [2, 3] }';

it('reads a model configuration', () => {
  const config = readModelConfig(
    `name: "m" platform: "onnxruntime_onnx" max_batch_size: 8 ${tensors}
     instance_group [ { count: 2 kind: KIND_CPU } ]
     dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 1500 default_queue_policy { max_queue_size: 9 } }
     parameters { key: "intra_op_thread_count" value { string_value: "3" } }
     version_policy { latest { num_versions: 1 } }`,
    'm',
  );
  expect(config).toEqual({
    name: 'm',
    maxBatchSize: 8,
    inputs: [{ name: 'x', datatype: 'FP32', dims: [-1] }],
    outputs: [{ name: 'y', datatype: 'INT64', dims: [2, 3] }],
    dynamicBatching: { preferredBatchSizes: [4, 8], maxQueueDelayMs: 1.5, maxQueueSize: 9 },
    instances: 2,
    threads: 3,
    maxBatchElements: undefined,
  });
});

it.each([
  ['name: "other" backend: "onnxruntime" ', 'name is other'],
  ['backend: "python" ', 'backend is python'],
  ['backend: "onnxruntime" max_batch_size: "8" ', 'expected a number'],
  ['backend: "onnxruntime" parameters { key: "max_batch_elements" value { string_value: "many" } } ', 'expected a count'],
])('refuses the configuration %j', (start, reason) => expect(() => readModelConfig(start + tensors, 'm')).toThrow(reason));
