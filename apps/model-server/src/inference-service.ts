import { create, fromBinary, toBinary, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import { status, type handleUnaryCall, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { GRPCInferenceService as service } from '@touchstone/contracts/gen/inference/v2/grpc_service_pb';

import { QueueFull } from './batcher.ts';
import { answerOf, inputsOf } from './infer-message.ts';
import { LoadFailed, ModelUnavailable, onlyVersion, UnknownModel, UnknownVersion, type ModelRepository } from './model-repository.ts';
import { WrongTensors } from './model.ts';
import type { TensorConfig } from './model-config.ts';

type Methods = typeof service.method;
type Handlers = {
  [K in keyof Methods]: (
    request: MessageShape<Methods[K]['input']>,
    signal: AbortSignal,
  ) => Promise<MessageInitShape<Methods[K]['output']>>;
};

/** KServe v2's methods over a repository. */
export function inferenceHandlers(repository: ModelRepository): Handlers {
  return {
    serverLive: async () => ({ live: true }),
    serverReady: async () => ({ ready: repository.index().every(({ state }) => state === 'READY') }),
    modelReady: async ({ name, version }) => ({ ready: isReady(repository, name, version) }),
    serverMetadata: async () => ({ name: 'touchstone-model-server', version: '0.1.0', extensions: ['model_repository'] }),
    modelMetadata: async ({ name, version }) => {
      const { inputs, outputs, maxBatchSize } = repository.ready(name, version).config;
      const described = ({ name, datatype, dims }: TensorConfig) => ({
        name,
        datatype,
        shape: (maxBatchSize > 0 ? [-1, ...dims] : dims).map(BigInt),
      });
      return { name, versions: [onlyVersion], platform: 'onnxruntime_onnx', inputs: inputs.map(described), outputs: outputs.map(described) };
    },
    modelInfer: async (request, signal) => {
      const model = repository.ready(request.modelName, request.modelVersion);
      const wanted = request.outputs.map(({ name }) => name);
      return answerOf(request, await model.infer(inputsOf(request), wanted, signal));
    },
    repositoryIndex: async ({ ready }) => ({
      models: repository
        .index()
        .filter(({ state }) => !ready || state === 'READY')
        .map((model) => ({ ...model, version: onlyVersion })),
    }),
    repositoryModelLoad: async ({ modelName }) => {
      await repository.load(modelName);
      return {};
    },
    repositoryModelUnload: async ({ modelName }) => {
      await repository.unload(modelName);
      return {};
    },
  };
}

function isReady(repository: ModelRepository, name: string, version: string): boolean {
  const isVersion = version === '' || version === onlyVersion;
  return isVersion && repository.index().some((model) => model.name === name && model.state === 'READY');
}

/** The service as grpc-js takes it. */
export function grpcService(handlers: Handlers): [ServiceDefinition, UntypedServiceImplementation] {
  const definition = service.methods.map((method) => [
    method.localName,
    {
      path: `/${service.typeName}/${method.name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: (message: unknown) => serialize(method.input, message),
      requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
      responseSerialize: (message: unknown) => serialize(method.output, message),
      responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
    },
  ]);
  const implementation = Object.entries(handlers).map(([name, handler]) => [name, unary(handler as Handler)]);
  return [Object.fromEntries(definition), Object.fromEntries(implementation)];
}

type Handler = (request: unknown, signal: AbortSignal) => Promise<unknown>;

function unary(handler: Handler): handleUnaryCall<unknown, unknown> {
  return (call, answer) => {
    const cancelled = new AbortController();
    call.on('cancelled', () => cancelled.abort(new Error('the client gave up')));
    handler(call.request, cancelled.signal).then(
      (message) => answer(null, message),
      (error: Error) => answer({ code: codeOf(error), details: error.message }),
    );
  };
}

function codeOf(error: unknown): status {
  if (error instanceof WrongTensors || error instanceof LoadFailed) return status.INVALID_ARGUMENT;
  if (error instanceof UnknownModel || error instanceof UnknownVersion) return status.NOT_FOUND;
  if (error instanceof ModelUnavailable) return status.UNAVAILABLE;
  if (error instanceof QueueFull) return status.RESOURCE_EXHAUSTED;
  return status.INTERNAL;
}

function serialize(schema: DescMessage, message: unknown): Buffer {
  const bytes = toBinary(schema, create(schema, message as MessageInitShape<typeof schema>));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
