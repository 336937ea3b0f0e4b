import { create, fromBinary, toBinary, type DescMethodUnary, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { GRPCInferenceService as service } from '@touchstone/contracts/gen/inference/v2/grpc_service_pb';
import { timed } from '@touchstone/runtime/metrics';
import { currentTraceparent, span } from '@touchstone/runtime/telemetry';

import { noteInference } from './inference-metrics.ts';
import { bytesOf, datatypeOf, tensorFrom, type Tensor } from './tensor.ts';
import { tritonError } from './triton.errors.ts';

export interface TritonClientOptions {
  /** Deadline of a call that names none. Default 10 s. */
  timeoutMs?: number;
  /** Largest message in either direction. Default 256 MiB. */
  maxMessageBytes?: number;
}

export interface CallOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
}

export interface ModelOptions extends CallOptions {
  /** Version of the model; the newest when absent. */
  version?: string;
}

export interface InferOptions extends ModelOptions {
  /** Names of the wanted outputs; all when absent. */
  outputs?: readonly string[];
}

/** A model as the repository index shows it. */
export interface IndexedModel {
  name: string;
  version: string;
  /** READY, LOADING, UNLOADING or UNAVAILABLE; empty for a model that Triton was never asked to load. */
  state: string;
  reason: string;
}

export interface TensorMetadata {
  name: string;
  datatype: string;
  /** Batch dimension first; -1 where free. */
  shape: number[];
}

export interface ModelMetadata {
  name: string;
  versions: string[];
  platform: string;
  inputs: TensorMetadata[];
  outputs: TensorMetadata[];
}

/**
 * Speaks KServe v2 over gRPC with Triton or any server like it. Connects on the first call and again after a loss.
 * Every call has a deadline and throws `TritonUnavailable`, `TritonRefused`, `TritonDeadline` or plain `TritonError`.
 */
export class TritonClient {
  private readonly client: Client;
  private readonly timeoutMs: number;

  /** @param url `host:port` or `unix:/path`. */
  constructor(
    readonly url: string,
    { timeoutMs = 10_000, maxMessageBytes = 256 * 1024 * 1024 }: TritonClientOptions = {},
  ) {
    this.timeoutMs = timeoutMs;
    this.client = new Client(url, credentials.createInsecure(), {
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.max_send_message_length': maxMessageBytes,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
    });
  }

  async live(options?: CallOptions): Promise<boolean> {
    return (await this.call(service.method.serverLive, {}, options)).live;
  }

  async ready(options?: CallOptions): Promise<boolean> {
    return (await this.call(service.method.serverReady, {}, options)).ready;
  }

  async modelReady(name: string, { version, ...options }: ModelOptions = {}): Promise<boolean> {
    return (await this.call(service.method.modelReady, { name, version }, options)).ready;
  }

  async modelMetadata(name: string, { version, ...options }: ModelOptions = {}): Promise<ModelMetadata> {
    const { versions, platform, inputs, outputs } = await this.call(service.method.modelMetadata, { name, version }, options);
    const plain = (tensors: typeof inputs): TensorMetadata[] =>
      tensors.map(({ name, datatype, shape }) => ({ name, datatype, shape: shape.map(Number) }));
    return { name, versions, platform, inputs: plain(inputs), outputs: plain(outputs) };
  }

  /** Runs a model once; tensors travel as raw bytes. */
  async infer(
    model: string,
    inputs: Readonly<Record<string, Tensor>>,
    { version, outputs = [], ...options }: InferOptions = {},
  ): Promise<Record<string, Tensor>> {
    const named = Object.entries(inputs);
    const rows = named[0]?.[1].shape[0] ?? 0;
    const call = () =>
      this.call(
        service.method.modelInfer,
        {
          modelName: model,
          modelVersion: version,
          inputs: named.map(([name, { shape, data }]) => ({ name, datatype: datatypeOf(data), shape: shape.map(BigInt) })),
          outputs: outputs.map((name) => ({ name })),
          rawInputContents: named.map(([, { data }]) => bytesOf(data)),
        },
        options,
      );
    const answer = await span(`infer ${model}`, { kind: 'client', attributes: { 'touchstone.rows': rows } }, () =>
      timed(call, (seconds, error) => noteInference(model, rows, seconds, error)),
    );
    const tensors = answer.outputs.map(({ name, datatype, shape }, index) => {
      const raw = answer.rawOutputContents[index] ?? new Uint8Array();
      return [name, tensorFrom(datatype, shape.map(Number), raw)] as const;
    });
    return Object.fromEntries(tensors);
  }

  async repositoryIndex(options?: CallOptions): Promise<IndexedModel[]> {
    const { models } = await this.call(service.method.repositoryIndex, {}, options);
    return models.map(({ name, version, state, reason }) => ({ name, version, state, reason }));
  }

  /**
   * Loads a model, again if it is loaded. A large one takes its time: one minute by default.
   *
   * @throws TritonRefused with the reason when it is unknown or broken.
   */
  async loadModel(modelName: string, options?: CallOptions): Promise<void> {
    await this.call(service.method.repositoryModelLoad, { modelName }, { timeoutMs: 60_000, ...options });
  }

  /** Takes no more requests for a model; Triton answers before those that wait are done. */
  async unloadModel(modelName: string, options?: CallOptions): Promise<void> {
    await this.call(service.method.repositoryModelUnload, { modelName }, options);
  }

  close(): void {
    this.client.close();
  }

  private call<M extends DescMethodUnary>(
    method: M,
    request: MessageInitShape<M['input']>,
    { signal, timeoutMs = this.timeoutMs }: CallOptions = {},
  ): Promise<MessageShape<M['output']>> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);

      const cancel = () => {
        reject(signal!.reason);
        setImmediate(() => call.cancel()); // in the tick of the call, grpc-js says that it is cancelled and sends it all the same
      };
      const call = this.client.makeUnaryRequest(
        `/${method.parent.typeName}/${method.name}`,
        (message: MessageShape<M['input']>) => asBuffer(toBinary(method.input, message)),
        (bytes: Buffer) => fromBinary(method.output, bytes) as MessageShape<M['output']>,
        create(method.input, request) as MessageShape<M['input']>,
        traced(new Metadata()),
        { deadline: Date.now() + timeoutMs },
        (error, answer) => {
          signal?.removeEventListener('abort', cancel);
          if (error) reject(tritonError(method.name, error));
          else resolve(answer!);
        },
      );
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Triton continues the trace where it is told to record some. */
function traced(metadata: Metadata): Metadata {
  const traceparent = currentTraceparent();
  if (traceparent) metadata.set('traceparent', traceparent);
  return metadata;
}
