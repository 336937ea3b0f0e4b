import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { Batcher } from './batcher.ts';
import { readModelConfig, type ModelConfig, type TensorConfig } from './model-config.ts';
import type { RawTensors } from './raw-tensor.ts';
import { SessionThread, type GraphTensor } from './session-thread.ts';

/** A request's tensors do not fit the model. */
export class WrongTensors extends Error {}

/** A model that is loaded: its graph in one thread an instance, and the queue before them. */
export class Model {
  private readonly batcher: Batcher;
  private readonly idle: SessionThread[];

  private constructor(
    readonly config: ModelConfig,
    private readonly sessions: readonly SessionThread[],
  ) {
    this.idle = [...sessions];
    const { preferredBatchSizes = [], maxQueueDelayMs = 0, maxQueueSize = 256 } = config.dynamicBatching ?? {};
    this.batcher = new Batcher(
      // Without dynamic batching each request runs alone, whatever its own size.
      {
        maxBatchSize: config.dynamicBatching ? config.maxBatchSize : 0,
        maxBatchElements: config.maxBatchElements ?? Number.POSITIVE_INFINITY,
        preferredBatchSizes,
        maxQueueDelayMs,
        maxQueueSize,
        instances: sessions.length,
      },
      (inputs) => this.run(inputs),
    );
  }

  /** @throws Error that says which file is missing or wrong, and how. */
  static async load(folder: string, name: string, threads: number): Promise<Model> {
    const text = await readFile(join(folder, name, 'config.pbtxt'), 'utf8').catch((cause: Error) => {
      throw new Error(`config.pbtxt cannot be read: ${cause.message}`, { cause });
    });
    const config = readModelConfig(text, name);
    const file = join(folder, name, '1', 'model.onnx');
    const sessions: SessionThread[] = [];
    try {
      while (sessions.length < config.instances) {
        sessions.push(await SessionThread.open({ file, threads: config.threads ?? threads }));
      }
      checkTensors('input', config.inputs, sessions[0].inputs, config.maxBatchSize);
      checkTensors('output', config.outputs, sessions[0].outputs, config.maxBatchSize);
    } catch (error) {
      await Promise.all(sessions.map((session) => session.close()));
      throw error;
    }
    return new Model(config, sessions);
  }

  /**
   * @throws WrongTensors, QueueFull, or Error with ONNX Runtime's words.
   */
  async infer(inputs: RawTensors, wanted: readonly string[], signal?: AbortSignal): Promise<RawTensors> {
    this.check(inputs, wanted);
    const outputs = await this.batcher.submit(inputs, signal);
    return wanted.length === 0 ? outputs : Object.fromEntries(wanted.map((name) => [name, outputs[name]]));
  }

  /** Answers what waits, as Triton does, then frees the memory. */
  async close(): Promise<void> {
    await this.batcher.drain();
    await Promise.all(this.sessions.map((session) => session.close()));
  }

  /** False after a thread ended by itself. */
  get isAlive(): boolean {
    return this.sessions.every((session) => session.isAlive);
  }

  private async run(inputs: RawTensors): Promise<RawTensors> {
    const session = this.idle.pop()!;
    try {
      return await session.run(inputs, this.config.outputs.map(({ name }) => name));
    } finally {
      this.idle.push(session);
    }
  }

  private check(inputs: RawTensors, wanted: readonly string[]): void {
    const { config } = this;
    const rows = new Set<number>();
    for (const { name, datatype, dims } of config.inputs) {
      const tensor = inputs[name];
      if (tensor === undefined) throw new WrongTensors(`input ${name} is missing`);
      if (tensor.datatype !== datatype) throw new WrongTensors(`input ${name} is ${tensor.datatype}, expected ${datatype}`);
      const [batch, own] = config.maxBatchSize > 0 ? [tensor.shape[0], tensor.shape.slice(1)] : [1, tensor.shape];
      const fits = own.length === dims.length && dims.every((size, axis) => size === -1 || size === own[axis]);
      const expected = config.maxBatchSize > 0 ? [-1, ...dims] : dims;
      if (!fits) throw new WrongTensors(`input ${name} has shape [${tensor.shape}], expected [${expected}]`);
      rows.add(batch);
    }
    const [batch] = rows;
    if (rows.size > 1) throw new WrongTensors(`inputs differ in their first dimension: ${[...rows].join(', ')}`);
    if (config.maxBatchSize > 0 && (batch < 1 || batch > config.maxBatchSize)) {
      throw new WrongTensors(`the batch has ${batch} rows, expected 1 to ${config.maxBatchSize}`);
    }
    const stranger = Object.keys(inputs).find((name) => !config.inputs.some((input) => input.name === name));
    if (stranger !== undefined) throw new WrongTensors(`input ${stranger} is not known`);
    const strange = wanted.find((name) => !config.outputs.some((output) => output.name === name));
    if (strange !== undefined) throw new WrongTensors(`output ${strange} is not known`);
  }
}

function checkTensors(kind: string, declared: readonly TensorConfig[], graph: readonly GraphTensor[], maxBatchSize: number): void {
  for (const { name, datatype, dims } of declared) {
    const own = graph.find((tensor) => tensor.name === name);
    const rank = dims.length + (maxBatchSize > 0 ? 1 : 0);
    if (own === undefined) throw new Error(`config.pbtxt declares ${kind} ${name}; the graph has ${graph.map((tensor) => tensor.name).join(', ')}`);
    if (own.datatype !== datatype || own.rank !== rank) {
      throw new Error(`config.pbtxt declares ${kind} ${name} as ${datatype} of rank ${rank}; in the graph it is ${own.datatype} of rank ${own.rank}`);
    }
  }
}
