import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { Metadata, type ServiceError, status, type StatusObject } from '@grpc/grpc-js';
import { StatusSchema } from '../gen/google/rpc/status_pb.ts';
import { ProblemDetailSchema, Reason } from '../gen/touchstone/api/v1/problem_pb.ts';
import { Problem, reasonPolicy } from './problem.ts';

const detailsKey = 'grpc-status-details-bin';

/** The same bytes, not a copy of them. */
export const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** A problem as gRPC sends it: google.rpc.Status with one detail, our ProblemDetail. */
export function toGrpcStatus({ reason, detail, violations, retryAfterSeconds }: Problem): StatusObject {
  const code = reasonPolicy(reason).grpcCode;
  const details = create(ProblemDetailSchema, { reason, detail, violations: [...violations], retryAfterSeconds });
  const metadata = new Metadata();
  const packed = create(StatusSchema, { code, message: detail, details: [anyPack(ProblemDetailSchema, details)] });
  metadata.set(detailsKey, asBuffer(toBinary(StatusSchema, packed)));
  return { code, details: detail, metadata };
}

/** The problem in a gRPC error; one without our detail comes from the transport itself. */
export function fromGrpcError(error: ServiceError): Problem {
  const [packed] = error.metadata?.get(detailsKey) ?? [];
  if (packed) {
    for (const any of fromBinary(StatusSchema, Buffer.from(packed)).details) {
      const found = anyUnpack(any, ProblemDetailSchema);
      if (found) return new Problem(found, { cause: error });
    }
  }
  switch (error.code) {
    case status.DEADLINE_EXCEEDED:
      return new Problem(
        { reason: Reason.DEADLINE_EXCEEDED, detail: 'A service did not answer before the deadline.', retryAfterSeconds: 1 },
        { cause: error },
      );
    case status.CANCELLED:
      return new Problem({ reason: Reason.CANCELLED, detail: 'The call was cancelled.' }, { cause: error });
    case status.RESOURCE_EXHAUSTED:
      return new Problem({ reason: Reason.BODY_TOO_LARGE, detail: 'The message is larger than a service takes.' }, { cause: error });
    case status.UNAVAILABLE:
      return new Problem({ reason: Reason.UNAVAILABLE, detail: 'A service cannot be reached.', retryAfterSeconds: 1 }, { cause: error });
    default:
      return new Problem({ reason: Reason.INTERNAL, detail: 'A service failed.' }, { cause: error });
  }
}
