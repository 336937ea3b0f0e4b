import { parsePbtxt, type TextMessage, type TextValue } from './pbtxt.ts';

/** A tensor as config.pbtxt declares it, without the batch dimension. */
export interface TensorConfig {
  name: string;
  /** KServe's name: FP32, INT64, … */
  datatype: string;
  /** -1 where the size is free. */
  dims: number[];
}

/** What we read of Triton's ModelConfig. Other fields are Triton's business and are ignored. */
export interface ModelConfig {
  name: string;
  /** 0: the model has no batch dimension. */
  maxBatchSize: number;
  inputs: TensorConfig[];
  outputs: TensorConfig[];
  /** Absent: each request runs alone. */
  dynamicBatching?: { preferredBatchSizes: number[]; maxQueueDelayMs: number; maxQueueSize: number };
  instances: number;
  /** Threads of one instance, from the parameter `intra_op_thread_count` as in Triton's ONNX Runtime backend. */
  threads?: number;
  /** Elements of the first input in one joined run, from our own parameter `max_batch_elements`. Triton ignores it. */
  maxBatchElements?: number;
}

/** Requests that wait for one model when config.pbtxt says nothing; the next one is refused as too many. */
const defaultQueueSize = 256;

/** @throws Error that names the field, SyntaxError that names the line. */
export function readModelConfig(text: string, name: string): ModelConfig {
  const config = parsePbtxt(text);
  const stated = optional(config, 'name', 'string');
  if (stated !== undefined && stated !== name) throw new Error(`name is ${stated}, and the folder is ${name}`);
  const platform = optional(config, 'platform', 'string') ?? '';
  const backend = optional(config, 'backend', 'string') ?? '';
  if (backend !== 'onnxruntime' && platform !== 'onnxruntime_onnx') {
    throw new Error(`backend is ${backend || platform || 'not set'}; this server runs onnxruntime`);
  }

  const inputs = messages(config, 'input').map(tensorConfig);
  const outputs = messages(config, 'output').map(tensorConfig);
  if (inputs.length === 0 || outputs.length === 0) throw new Error('input and output must be declared');

  const maxBatchSize = optional(config, 'max_batch_size', 'number') ?? 0;
  if (!Number.isInteger(maxBatchSize) || maxBatchSize < 0) throw new Error(`max_batch_size is ${maxBatchSize}`);
  const groups = messages(config, 'instance_group');
  return {
    name,
    maxBatchSize,
    inputs,
    outputs,
    dynamicBatching: dynamicBatching(config),
    instances: groups.reduce((sum, group) => sum + (optional(group, 'count', 'number') ?? 1), 0) || 1,
    threads: positive(config, 'intra_op_thread_count'),
    maxBatchElements: positive(config, 'max_batch_elements'),
  };
}

function dynamicBatching(config: TextMessage): ModelConfig['dynamicBatching'] {
  const [batching] = messages(config, 'dynamic_batching');
  if (batching === undefined) return undefined;
  const [queue] = messages(batching, 'default_queue_policy');
  return {
    preferredBatchSizes: (batching.preferred_batch_size ?? []).map(Number),
    maxQueueDelayMs: (optional(batching, 'max_queue_delay_microseconds', 'number') ?? 0) / 1000,
    maxQueueSize: (queue && optional(queue, 'max_queue_size', 'number')) || defaultQueueSize,
  };
}

function tensorConfig(message: TextMessage): TensorConfig {
  const name = optional(message, 'name', 'string');
  const datatype = optional(message, 'data_type', 'string')?.replace(/^TYPE_/, '');
  if (name === undefined || datatype === undefined) throw new Error('input and output need name and data_type');
  return { name, datatype, dims: (message.dims ?? []).map(Number) };
}

/** A parameter that is a count; parameters are strings in Triton. */
function positive(config: TextMessage, key: string): number | undefined {
  const found = messages(config, 'parameters').find((entry) => entry.key?.[0] === key);
  const [value] = found ? messages(found, 'value') : [];
  const text = value && optional(value, 'string_value', 'string');
  if (text === undefined) return undefined;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new Error(`parameter ${key} is ${JSON.stringify(text)}, expected a count`);
  return count;
}

const messages = (message: TextMessage, field: string): TextMessage[] =>
  (message[field] ?? []).map((value) => {
    if (typeof value !== 'object') throw new Error(`${field} is ${value}, expected { … }`);
    return value;
  });

function optional(message: TextMessage, field: string, type: 'string'): string | undefined;
function optional(message: TextMessage, field: string, type: 'number'): number | undefined;
function optional(message: TextMessage, field: string, type: string): TextValue | undefined {
  const value = message[field]?.at(-1);
  if (value !== undefined && typeof value !== type) throw new Error(`${field} is ${JSON.stringify(value)}, expected a ${type}`);
  return value;
}
