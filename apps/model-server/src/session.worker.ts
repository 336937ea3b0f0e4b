// One ONNX Runtime session in a thread of its own: a run blocks its thread, and the server's must go on answering.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { parentPort, workerData } from 'node:worker_threads';

import type { RawTensors } from './raw-tensor.ts';
import type { FromSession, SessionData, ToSession } from './session-thread.ts';

const types = {
  BOOL: ['bool', Uint8Array], INT8: ['int8', Int8Array], UINT8: ['uint8', Uint8Array], INT16: ['int16', Int16Array],
  UINT16: ['uint16', Uint16Array], INT32: ['int32', Int32Array], UINT32: ['uint32', Uint32Array], FP32: ['float32', Float32Array],
  INT64: ['int64', BigInt64Array], UINT64: ['uint64', BigUint64Array], FP64: ['float64', Float64Array], FP16: ['float16', Uint16Array],
} as const;
type Datatype = keyof typeof types;

const port = parentPort!;
const send = (message: FromSession, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
const datatypeOf = (type: string) => (Object.keys(types) as Datatype[]).find((datatype) => types[datatype][0] === type) ?? type;

try {
  const { file, threads } = workerData as SessionData;
  const session = await InferenceSession.create(file, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    // A thread that spins while it waits takes the core from the other model.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
  const described = (metadata: readonly InferenceSession.ValueMetadata[]) =>
    metadata.flatMap((value) => (value.isTensor ? [{ name: value.name, datatype: datatypeOf(value.type), rank: value.shape.length }] : []));
  send({ inputs: described(session.inputMetadata), outputs: described(session.outputMetadata) });

  port.on('message', ({ id, inputs, outputs }: ToSession) => {
    run(session, inputs, outputs).then(
      (results) => send({ id, outputs: results }, Object.values(results).map(({ bytes }) => bytes.buffer as ArrayBuffer)),
      (error: Error) => send({ id, error: error.message }),
    );
  });
} catch (error) {
  send({ failed: error instanceof Error ? error.message : String(error) });
}

async function run(session: InferenceSession, inputs: RawTensors, outputs: readonly string[]): Promise<RawTensors> {
  const feeds = Object.entries(inputs).map(([name, { datatype, shape, bytes }]) => {
    const [type, TypedArray] = types[datatype as Datatype];
    const data = new TypedArray(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / TypedArray.BYTES_PER_ELEMENT);
    return [name, new Tensor(type, data as Float32Array<ArrayBuffer>, shape)] as const;
  });
  const results = await session.run(Object.fromEntries(feeds), [...outputs]);
  return Object.fromEntries(
    Object.entries(results).map(([name, { type, dims, data }]) => {
      const { buffer, byteOffset, byteLength } = data as Float32Array;
      // A copy, since the runtime owns the memory of its results.
      return [name, { datatype: datatypeOf(type), shape: [...dims], bytes: new Uint8Array(buffer, byteOffset, byteLength).slice() }];
    }),
  );
}
