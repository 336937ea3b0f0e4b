import { createHash } from 'node:crypto';
import { create, type DescMethod, fromBinary, type JsonValue, type Message, toBinary, toJson } from '@bufbuild/protobuf';
import type { Once, StoredAnswer } from '@touchstone/runtime/once';
import { Reason } from '../gen/touchstone/api/v1/problem_pb.ts';
import { Problem } from './problem.ts';

/** Name of the HTTP header and of the metadata by which a caller names a write. */
export const idempotencyKeyHeader = 'idempotency-key';

const waitMs = 5_000;

/** Checks the form of a key. @throws Problem INVALID_REQUEST that names the header. */
export function checkIdempotencyKey(key: string): string {
  if (/^[\x20-\x7e]{1,255}$/.test(key)) return key;
  throw new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: 'An idempotency key has 1 to 255 printable ASCII characters.',
    violations: [{ parameter: 'Idempotency-Key', detail: 'expected 1 to 255 printable ASCII characters' }],
  });
}

/** Ends a call whose write was answered before. */
export class AnsweredBefore extends Error {
  constructor(readonly answer: Message) {
    super('The write was answered before.');
  }
}

/** A call of a method that is `idempotent` by contract, under the key of its caller. */
export class NamedWrite {
  readonly #requestHash: Uint8Array;
  #isKept = false;

  constructor(
    private readonly method: DescMethod,
    readonly key: string,
    request: Message,
  ) {
    this.#requestHash = createHash('sha256').update(method.parent.typeName).update('/').update(method.name).update('\0').update(canonicalJson(method, request)).digest();
  }

  /** Whether the handler kept its answer, as it has to. */
  get isKept(): boolean {
    return this.#isKept;
  }

  once<Result>(toAnswer: (result: Result) => object): Once<Result> {
    return {
      key: this.key,
      waitMs,
      requestHash: this.#requestHash,
      toAnswer: (result) => {
        this.#isKept = true;
        return toBinary(this.method.output, create(this.method.output, toAnswer(result) as Record<string, unknown>));
      },
      answeredBefore: (stored) => {
        throw new AnsweredBefore(this.answerOf(stored));
      },
      stillRunning: () => {
        const detail = `Another request with this idempotency key has been running for more than ${waitMs / 1000} s.`;
        throw new Problem({ reason: Reason.IDEMPOTENCY_KEY_IN_USE, detail, retryAfterSeconds: 1 });
      },
    };
  }

  /** @throws Problem IDEMPOTENCY_KEY_REUSED when the answer is that of another request. */
  answerOf({ requestHash, answer }: StoredAnswer): Message {
    if (Buffer.compare(requestHash, this.#requestHash) === 0) return fromBinary(this.method.output, answer) as Message;
    throw new Problem({
      reason: Reason.IDEMPOTENCY_KEY_REUSED,
      detail: 'The first request with this idempotency key was another one. A new request needs a new key.',
      violations: [{ parameter: 'Idempotency-Key', detail: 'was used with another request' }],
    });
  }
}

/** The same for requests that differ only in the order of names, in free attributes too. */
function canonicalJson({ input }: DescMethod, request: Message): string {
  return JSON.stringify(toJson(input, request), (_, value: JsonValue) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
