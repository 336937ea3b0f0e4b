export { TritonClient } from './triton-client.ts';
export type { CallOptions, IndexedModel, InferOptions, ModelMetadata, ModelOptions, TensorMetadata, TritonClientOptions } from './triton-client.ts';
export { TritonBusy, TritonDeadline, TritonError, TritonRefused, TritonUnavailable, TritonUnknownModel } from './triton.errors.ts';
export { bytesOf, datatypeOf, tensorFrom } from './tensor.ts';
export type { Tensor, TensorData } from './tensor.ts';
