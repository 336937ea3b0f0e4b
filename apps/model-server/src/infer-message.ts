import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ModelInferResponseSchema, type InferTensorContents, type ModelInferRequest, type ModelInferResponse } from '@touchstone/contracts/gen/inference/v2/grpc_service_pb';

import { WrongTensors } from './model.ts';
import { onlyVersion } from './model-repository.ts';
import { elementBytes, sizeOf, type RawTensors } from './raw-tensor.ts';

/** @throws WrongTensors when bytes, shape and data type do not fit each other. */
export function inputsOf({ inputs, rawInputContents }: ModelInferRequest): RawTensors {
  const isRaw = rawInputContents.length > 0;
  if (isRaw && rawInputContents.length !== inputs.length) {
    throw new WrongTensors(`raw_input_contents has ${rawInputContents.length} entries for ${inputs.length} inputs`);
  }
  const tensors = inputs.map(({ name, datatype, shape: sizes, contents }, index) => {
    const bytesAnElement = elementBytes[datatype];
    if (bytesAnElement === undefined) throw new WrongTensors(`input ${name}: data type ${datatype} is not supported`);
    const shape = sizes.map(Number);
    if (shape.some((size) => !Number.isSafeInteger(size) || size < 0)) throw new WrongTensors(`input ${name}: shape [${shape}]`);
    const bytes = isRaw ? rawInputContents[index] : bytesOf(datatype, contents);
    const expected = sizeOf(shape) * bytesAnElement;
    if (bytes.byteLength !== expected) {
      throw new WrongTensors(`input ${name}: ${datatype} [${shape}] has ${expected} bytes, and ${bytes.byteLength} came`);
    }
    return [name, { datatype, shape, bytes }] as const;
  });
  return Object.fromEntries(tensors);
}

export function answerOf({ modelName, id }: ModelInferRequest, outputs: RawTensors): ModelInferResponse {
  const tensors = Object.entries(outputs);
  const answer: MessageInitShape<typeof ModelInferResponseSchema> = {
    modelName,
    modelVersion: onlyVersion,
    id,
    outputs: tensors.map(([name, { datatype, shape }]) => ({ name, datatype, shape: shape.map(BigInt) })),
    rawOutputContents: tensors.map(([, { bytes }]) => bytes as Uint8Array<ArrayBuffer>),
  };
  return create(ModelInferResponseSchema, answer);
}

/** The slow form, for clients that do not speak raw contents. */
function bytesOf(datatype: string, contents: InferTensorContents | undefined): Uint8Array {
  if (contents === undefined) return new Uint8Array();
  const { boolContents, intContents, int64Contents, uintContents, uint64Contents, fp32Contents, fp64Contents } = contents;
  const arrays: Readonly<Record<string, () => ArrayBufferView>> = {
    BOOL: () => Uint8Array.from(boolContents, Number),
    INT8: () => Int8Array.from(intContents),
    INT16: () => Int16Array.from(intContents),
    INT32: () => Int32Array.from(intContents),
    INT64: () => BigInt64Array.from(int64Contents),
    UINT8: () => Uint8Array.from(uintContents),
    UINT16: () => Uint16Array.from(uintContents),
    UINT32: () => Uint32Array.from(uintContents),
    UINT64: () => BigUint64Array.from(uint64Contents),
    FP32: () => Float32Array.from(fp32Contents),
    FP64: () => Float64Array.from(fp64Contents),
  };
  const array = arrays[datatype]?.();
  if (array === undefined) throw new WrongTensors(`${datatype} travels in raw_input_contents only`);
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
