import { create, type DescMethod, type DescService, fromBinary, type Message, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { type ChannelOptions, Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { currentTraceparent, span } from '@touchstone/runtime/telemetry';
import { Reason } from '../gen/touchstone/api/v1/problem_pb.ts';
import { isStreaming } from './call.ts';
import { type IncomingCall, unexpected } from './call-chain.ts';
import { type ContractServer, defaultDeadlineMs, maximumMessageBytes, replayedMetadata, tokenMetadata } from './contract-server.ts';
import { copyOf } from './copy.ts';
import { asBuffer, fromGrpcError } from './grpc-status.ts';
import { traceMetadata } from './observe-call.ts';
import { Problem } from './problem.ts';

/** What a caller says beside its request. */
export interface CallOptions {
  /** Who calls (CallerTokens of libs/runtime). */
  readonly token: string;
  /** Milliseconds since the epoch; 30 seconds from now when absent. */
  readonly deadline?: number;
  readonly signal?: AbortSignal;
  /** Lower-case names, printable ASCII. */
  readonly metadata?: ReadonlyMap<string, string>;
  /** Called when the answer is that of an earlier call under the same idempotency key. */
  readonly onReplayed?: () => void;
}

/** A way to a service. Every error that comes out is a Problem. */
export interface Channel {
  unary(method: DescMethod, request: Message, options: CallOptions): Promise<Message>;
  stream(method: DescMethod, request: Message, options: CallOptions): AsyncIterable<Message>;
  close(): void;
}

/** Calls services of the same process, without a socket. Messages are copied, so neither side sees the other's objects. */
export class LocalChannel implements Channel {
  constructor(private readonly server: ContractServer) {}

  async unary(method: DescMethod, request: Message, options: CallOptions): Promise<Message> {
    const { call, forget } = incoming(options);
    try {
      const answer = await this.server.call(method, copyOf(method.input, request), call);
      return copyOf(method.output, answer as Message);
    } catch (error) {
      throw unexpected(error, method); // a value that its field cannot hold shows when it is copied
    } finally {
      forget();
    }
  }

  async *stream(method: DescMethod, request: Message, options: CallOptions): AsyncIterable<Message> {
    const { call, forget } = incoming(options);
    try {
      const answer = await this.server.call(method, copyOf(method.input, request), call);
      for await (const message of answer as AsyncIterable<Message>) yield copyOf(method.output, message);
    } catch (error) {
      throw unexpected(error, method);
    } finally {
      forget();
      call.abort.abort(wentAway());
    }
  }

  close(): void {}
}

/** Calls a service over gRPC. */
export class GrpcChannel implements Channel {
  private readonly client: Client;

  /** @param url `host:port`, `unix:path`, `dns:///name:port` or `ipv4:host:port,host:port`; calls go round several addresses. */
  constructor(url: string, options: ChannelOptions = {}) {
    this.client = new Client(url, credentials.createInsecure(), {
      'grpc.max_receive_message_length': maximumMessageBytes,
      'grpc.max_send_message_length': maximumMessageBytes,
      // A cut connection shows neither FIN nor RST; pings find it.
      'grpc.keepalive_time_ms': 20_000,
      'grpc.keepalive_timeout_ms': 5_000,
      'grpc.keepalive_permit_without_calls': 1,
      // Retries are the caller's decision, and keeping every message for one costs CPU.
      'grpc.enable_retries': 0,
      // Nobody asks for what it would count.
      'grpc.enable_channelz': 0,
      // Else a new channel shares a connection that an older one to the same address has given up for a while.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.service_config_disable_resolution': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 2_000,
      'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
      ...options,
    });
  }

  unary(method: DescMethod, request: Message, options: CallOptions): Promise<Message> {
    return span(`${method.parent.typeName}/${method.name}`, { kind: 'client' }, () => this.send(method, request, options));
  }

  private send(method: DescMethod, request: Message, options: CallOptions): Promise<Message> {
    return new Promise((resolve, reject) => {
      const call = this.client.makeUnaryRequest(
        pathOf(method),
        (message: Message) => asBuffer(toBinary(method.input, message)),
        (bytes: Buffer) => fromBinary(method.output, bytes) as Message,
        request,
        metadataOf(options),
        { deadline: options.deadline ?? Date.now() + defaultDeadlineMs },
        (error, answer) => {
          options.signal?.removeEventListener('abort', cancel);
          if (error) reject(fromGrpcError(error));
          else resolve(answer!);
        },
      );
      if (options.onReplayed) call.once('metadata', (metadata: Metadata) => metadata.get(replayedMetadata).length > 0 && options.onReplayed!());
      const cancel = () => call.cancel();
      if (options.signal?.aborted) cancel();
      else options.signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  async *stream(method: DescMethod, request: Message, options: CallOptions): AsyncIterable<Message> {
    const call = this.client.makeServerStreamRequest(
      pathOf(method),
      (message: Message) => asBuffer(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes) as Message,
      request,
      metadataOf(options),
      { deadline: options.deadline ?? Date.now() + defaultDeadlineMs },
    );
    const cancel = () => call.cancel();
    if (options.signal?.aborted) cancel();
    else options.signal?.addEventListener('abort', cancel, { once: true });
    try {
      for await (const message of call) yield message as Message;
    } catch (error) {
      throw fromGrpcError(error as ServiceError);
    } finally {
      options.signal?.removeEventListener('abort', cancel);
      call.cancel();
    }
  }

  close(): void {
    this.client.close();
  }
}

type ClientMethod<Method> = Method extends { methodKind: 'unary'; input: infer Input extends DescMessageType; output: infer Output extends DescMessageType }
  ? (request: MessageInitShape<Input>, options: CallOptions) => Promise<MessageShape<Output>>
  : Method extends { methodKind: 'server_streaming'; input: infer Input extends DescMessageType; output: infer Output extends DescMessageType }
    ? (request: MessageInitShape<Input>, options: CallOptions) => AsyncIterable<MessageShape<Output>>
    : never;
type DescMessageType = DescMethod['input'];

/** A service as an object: its methods by the names of the contract. */
export type ServiceClient<Service extends DescService> = { [Name in keyof Service['method']]: ClientMethod<Service['method'][Name]> };

export function serviceClient<Service extends DescService>(service: Service, channel: Channel): ServiceClient<Service> {
  const methods = service.methods.map((method) => {
    const kind = isStreaming(method) ? 'stream' : 'unary';
    return [method.localName, (request: Record<string, unknown>, options: CallOptions) => channel[kind](method, create(method.input, request), options)];
  });
  return Object.fromEntries(methods) as ServiceClient<Service>;
}

/** @returns the call, and how to let go of the caller's signal, which may outlive many calls. */
function incoming({ token, deadline, signal, metadata, onReplayed }: CallOptions): { call: IncomingCall; forget: () => void } {
  const abort = new AbortController();
  const onAbort = () => abort.abort(wentAway());
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return {
    call: { token, deadline: deadline ?? Date.now() + defaultDeadlineMs, abort, metadata: metadata ?? new Map(), onReplayed },
    forget: () => signal?.removeEventListener('abort', onAbort),
  };
}

function wentAway(): Problem {
  return new Problem({ reason: Reason.CANCELLED, detail: 'The caller went away.' });
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function metadataOf({ token, metadata = new Map() }: CallOptions): Metadata {
  const result = new Metadata();
  for (const [name, value] of metadata) result.set(name, value);
  const traceparent = currentTraceparent();
  if (traceparent) result.set(traceMetadata, traceparent);
  result.set(tokenMetadata, token);
  return result;
}
