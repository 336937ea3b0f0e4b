import { status, type ServiceError } from '@grpc/grpc-js';

/** A call that brought no result. The subclass says what the caller can do. */
export class TritonError extends Error {
  override readonly name: string = 'TritonError';

  constructor(
    readonly method: string,
    /** The server's words, or grpc-js's where no server answered. */
    readonly detail: string,
    /** The gRPC status code. */
    readonly code: number,
    options?: ErrorOptions,
  ) {
    super(`${method}: ${detail}`, options);
  }
}

/** No server, or a model that is known and not loaded: the same call may succeed later. */
export class TritonUnavailable extends TritonError {
  override readonly name: string = 'TritonUnavailable';
}

/** The server's queue is full. */
export class TritonBusy extends TritonUnavailable {
  override readonly name: string = 'TritonBusy';
}

/** The server understood and said no: wrong tensors, message too large. Retrying does not help. */
export class TritonRefused extends TritonError {
  override readonly name: string = 'TritonRefused';
}

/** The server knows no such model or version. Triton knows those that it was once asked to load. */
export class TritonUnknownModel extends TritonRefused {
  override readonly name: string = 'TritonUnknownModel';
}

/** No answer before the deadline. */
export class TritonDeadline extends TritonError {
  override readonly name = 'TritonDeadline';
}

const kinds = new Map<number, typeof TritonError>([
  [status.UNAVAILABLE, TritonUnavailable],
  [status.RESOURCE_EXHAUSTED, TritonBusy],
  [status.DEADLINE_EXCEEDED, TritonDeadline],
  [status.INVALID_ARGUMENT, TritonRefused],
  [status.NOT_FOUND, TritonUnknownModel],
  [status.FAILED_PRECONDITION, TritonRefused],
  [status.OUT_OF_RANGE, TritonRefused],
  [status.UNIMPLEMENTED, TritonRefused],
  [status.PERMISSION_DENIED, TritonRefused],
  [status.UNAUTHENTICATED, TritonRefused],
]);

/** Where Triton's code says less than its words, or other than model-server's. Tried with Triton 2.51. */
const exceptions: readonly { code: status; words: string; Kind: typeof TritonError }[] = [
  { code: status.RESOURCE_EXHAUSTED, words: 'larger than', Kind: TritonRefused }, // a message, by either end
  { code: status.UNAVAILABLE, words: 'maximum queue size', Kind: TritonBusy },
  { code: status.NOT_FOUND, words: 'no available versions', Kind: TritonUnavailable }, // known and not loaded
  { code: status.INTERNAL, words: 'failed to poll from model repository', Kind: TritonUnknownModel }, // asked to load it
];

export function tritonError(method: string, cause: ServiceError): TritonError {
  const exception = exceptions.find(({ code, words }) => code === cause.code && cause.details.includes(words));
  const Kind = exception?.Kind ?? kinds.get(cause.code) ?? TritonError;
  return new Kind(method, cause.details, cause.code, { cause });
}
