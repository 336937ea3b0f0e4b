import { create, type DescMethod, type DescService, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server as GrpcServer,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import { Reason } from '../gen/touchstone/api/v1/problem_pb.ts';
import { isStreaming } from './call.ts';
import { admitted, type Answer, callChain, chain, type ChainContext, type Handle, type Step, unexpected } from './call-chain.ts';
import { contractTransport, methodPattern } from './grpc-controller.ts';
import { asBuffer, toGrpcStatus } from './grpc-status.ts';
import { observed } from './observe-call.ts';
import { Problem } from './problem.ts';

/** Calls without a deadline get this one. */
export const defaultDeadlineMs = 30_000;
/** A batch of pictures fits; the gateway refuses larger bodies before. */
export const maximumMessageBytes = 32 * 1024 * 1024;
/** Names of gRPC metadata and of HTTP headers between services. */
export const tokenMetadata = 'touchstone-caller';
/** Metadata of an answer that was given before. */
export const replayedMetadata = 'touchstone-replayed';

export interface ContractServerOptions extends ChainContext {
  readonly services: readonly DescService[];
  /** `host:port` or `unix:path`; without it the methods are called in process only. */
  readonly listen?: string;
  /** The links of the call chain; tests leave one out to show that it is needed. */
  readonly steps?: readonly Step[];
}

/**
 * The server side of contracts, as a Nest transport: every method of the given services, behind the one call chain,
 * for calls in process and, when it listens, over gRPC.
 */
export class ContractServer extends Server implements CustomTransportStrategy {
  override transportId = contractTransport;
  private readonly handles = new Map<DescMethod, Handle>();
  private readonly grpc: GrpcServer | undefined;
  private inFlight = 0;
  private idle: (() => void) | undefined;
  /** The port that a `host:0` was given. */
  port = 0;

  constructor(private readonly options: ContractServerOptions) {
    super();
    if (options.listen) {
      this.grpc = new GrpcServer({
        'grpc.max_receive_message_length': maximumMessageBytes,
        'grpc.max_send_message_length': maximumMessageBytes,
        'grpc.keepalive_time_ms': 30_000,
        'grpc.keepalive_timeout_ms': 5_000,
        'grpc.enable_channelz': 0,
      });
    }
  }

  /** Called by Nest once all controllers are known. */
  listen(callback: (error?: unknown) => void): void {
    try {
      for (const service of this.options.services) {
        for (const method of service.methods) this.handles.set(method, this.handleOf(method));
      }
    } catch (error) {
      callback(error);
      return;
    }
    if (!this.grpc) {
      callback();
      return;
    }
    for (const service of this.options.services) this.grpc.addService(...this.grpcService(service));
    this.grpc.bindAsync(this.options.listen!, ServerCredentials.createInsecure(), (error, port) => {
      this.port = port;
      callback(error ?? undefined);
    });
  }

  /** Takes no new calls and waits for those in flight, ten seconds at most. */
  async close(): Promise<void> {
    const finished = this.inFlight === 0 ? Promise.resolve() : new Promise<void>((resolve) => (this.idle = resolve));
    const patience = AbortSignal.timeout(10_000);
    const gaveUp = new Promise<void>((resolve) => patience.addEventListener('abort', () => resolve(), { once: true }));
    if (this.grpc) {
      const closed = new Promise<void>((resolve) => this.grpc!.tryShutdown(() => resolve()));
      await Promise.race([closed, gaveUp]);
      this.grpc.forceShutdown();
    } else {
      await Promise.race([finished, gaveUp]);
    }
  }

  /** Calls a method in this process. The caller owns neither the request afterwards nor the answer's sources. */
  async call(method: DescMethod, request: Message, incoming: Parameters<Handle>[1]): Promise<Answer> {
    const handle = this.handles.get(method);
    if (!handle) {
      throw new Problem({ reason: Reason.UNAVAILABLE, detail: `${method.parent.typeName} is not served here yet.`, retryAfterSeconds: 1 });
    }
    this.inFlight += 1;
    try {
      return await handle(request, incoming);
    } finally {
      this.inFlight -= 1;
      if (this.inFlight === 0) this.idle?.();
    }
  }

  on(): void {}

  unwrap<T>(): T {
    return this.grpc as T;
  }

  private handleOf(method: DescMethod): Handle {
    const handler = this.getHandlerByPattern(methodPattern(method));
    if (!handler) throw new Error(`No controller implements ${method.parent.typeName}.${method.name}`);
    return observed(chain(this.options.steps ?? callChain, handlerOf(method, handler), method, this.options), method);
  }

  private grpcService(service: DescService): [ServiceDefinition, UntypedServiceImplementation] {
    const definition: Record<string, ServiceDefinition[string]> = {};
    const implementation: UntypedServiceImplementation = {};
    for (const method of service.methods) {
      const streams = isStreaming(method);
      definition[method.name] = {
        path: `/${service.typeName}/${method.name}`,
        requestStream: false,
        responseStream: streams,
        // Decoded in the handler, inside the call chain's care for errors.
        requestSerialize: (bytes: Buffer) => bytes,
        requestDeserialize: (bytes: Buffer) => bytes,
        responseSerialize: (bytes: Buffer) => bytes,
        responseDeserialize: (bytes: Buffer) => bytes,
      };
      implementation[method.name] = streams ? this.streaming(method) : this.unary(method);
    }
    return [definition, implementation];
  }

  private unary(method: DescMethod): handleUnaryCall<Buffer, Buffer> {
    return (call, callback) => {
      const abort = new AbortController();
      const onCancelled = () => abort.abort(wentAway());
      call.once('cancelled', onCancelled);
      const onReplayed = () => {
        const metadata = new Metadata();
        metadata.set(replayedMetadata, 'true');
        call.sendMetadata(metadata);
      };
      this.answer(method, call, abort, onReplayed)
        // grpc-js says `cancelled` after every call, also after one that was answered.
        .finally(() => call.off('cancelled', onCancelled))
        .then((answer) => asBuffer(toBinary(method.output, answer as Message)))
        .then(
          (bytes) => callback(null, bytes),
          (error: unknown) => callback(toGrpcStatus(unexpected(error, method))),
        );
    };
  }

  private streaming(method: DescMethod): handleServerStreamingCall<Buffer, Buffer> {
    return async (call) => {
      const abort = new AbortController();
      call.once('cancelled', () => abort.abort(wentAway()));
      try {
        const answer = (await this.answer(method, call, abort)) as AsyncIterable<Message>;
        for await (const message of answer) {
          if (call.cancelled) return;
          // A slow reader holds the handler back instead of filling memory.
          if (!call.write(asBuffer(toBinary(method.output, message)))) await drained(call);
        }
        call.end();
      } catch (error) {
        call.emit('error', toGrpcStatus(unexpected(error, method)));
      }
    };
  }

  private async answer(
    method: DescMethod,
    call: ServerUnaryCall<Buffer, Buffer> | ServerWritableStream<Buffer, Buffer>,
    abort: AbortController,
    onReplayed?: () => void,
  ): Promise<Answer> {
    const metadata = new Map(
      Object.entries(call.metadata.getMap()).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    );
    let request: Message;
    try {
      request = fromBinary(method.input, call.request);
    } catch (error) {
      throw new Problem({ reason: Reason.INVALID_REQUEST, detail: `The message is not a ${method.input.typeName}.` }, { cause: error });
    }
    return this.call(method, request, { token: metadata.get(tokenMetadata), deadline: deadlineOf(call.getDeadline()), abort, metadata, onReplayed });
  }
}

function wentAway(): Problem {
  return new Problem({ reason: Reason.CANCELLED, detail: 'The caller went away.' });
}

/** Calls the controller through Nest's pipeline and makes messages of what it answers. */
function handlerOf(method: DescMethod, handler: MessageHandler): Handle {
  const streams = isStreaming(method);
  return async (request, call) => {
    const returned: unknown = await handler(request, admitted(call));
    // Nest hands errors on as an observable that fails.
    const result: unknown = isObservable(returned) ? await lastValueFrom(returned) : returned;
    return streams ? messages(method, result as AsyncIterable<Record<string, unknown>>) : create(method.output, result as Record<string, unknown>);
  };
}

async function* messages(method: DescMethod, results: AsyncIterable<Record<string, unknown>>): AsyncIterable<Message> {
  for await (const result of results) yield create(method.output, result);
}

function deadlineOf(deadline: Date | number): number {
  const time = deadline instanceof Date ? deadline.getTime() : deadline;
  return Number.isFinite(time) ? time : Date.now() + defaultDeadlineMs;
}

function drained(call: ServerWritableStream<Buffer, Buffer>): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      call.off('drain', done).off('cancelled', done);
      resolve();
    };
    call.on('drain', done).on('cancelled', done);
  });
}
