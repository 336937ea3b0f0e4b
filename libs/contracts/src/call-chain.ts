import type { DescMessage, DescMethod, Message, MessageShape } from '@bufbuild/protobuf';
import { createValidator, type Violation as BrokenRule } from '@bufbuild/protovalidate';
import type { Path } from '@bufbuild/protobuf/reflect';
import { log, warnRepeatedly } from '@touchstone/runtime/logging';
import type { StoredAnswer } from '@touchstone/runtime/once';
import type { Caller, CallerTokenVerifier, Tenant } from '@touchstone/runtime/tenant';
import { Reason } from '../gen/touchstone/api/v1/problem_pb.ts';
import { type Call, isStreaming } from './call.ts';
import { AnsweredBefore, checkIdempotencyKey, idempotencyKeyHeader, NamedWrite } from './idempotency.ts';
import { methodRules } from './method-rules.ts';
import { Problem, type Violation } from './problem.ts';

/** A call as it arrives, before anything in it is believed. */
export interface IncomingCall {
  /** The caller's token. */
  readonly token: string | undefined;
  readonly deadline: number;
  readonly abort: AbortController;
  readonly metadata: ReadonlyMap<string, string>;
  /** Set by `verifyCaller`. */
  caller?: Caller;
  /** Set by `answerOnce`. */
  write?: NamedWrite;
  /** Called when the answer is that of an earlier call under the same idempotency key. */
  readonly onReplayed?: () => void;
}

export type Answer = Message | AsyncIterable<Message>;
export type Handle = (request: Message, call: IncomingCall) => Promise<Answer>;

/** What the steps need from their server. */
export interface ChainContext {
  readonly verifier: CallerTokenVerifier;
  /** The problem that an error of a library stands for, if it is one. */
  readonly problemOf?: (error: unknown) => Problem | undefined;
  /** Finds the answer that was kept with an earlier write; needed for methods that are `idempotent` (Database of libs/persistence). */
  readonly answers?: { answerTo(tenant: Tenant, key: string): Promise<StoredAnswer | undefined> };
}

/** One link: wraps the handler of a method. */
export type Step = (next: Handle, method: DescMethod, context: ChainContext) => Handle;

/** Knows the caller by a valid token; without one nothing else is looked at. */
export const verifyCaller: Step = (next, _method, { verifier }) => async (request, call) => {
  const caller = call.token === undefined ? undefined : await verifier.verify(call.token);
  if (!caller) throw new Problem({ reason: Reason.UNAUTHENTICATED, detail: 'The call carries no valid token.' });
  call.caller = caller;
  return next(request, call);
};

/** Demands the scope of the method's policy; the scope `*` allows everything. */
export const requireScope: Step = (next, method) => {
  const { scope } = methodRules(method);
  return (request, call) => {
    const scopes = call.caller?.scopes ?? [];
    if (!scopes.includes(scope) && !scopes.includes('*')) {
      throw new Problem({ reason: Reason.SCOPE_MISSING, detail: `The key needs the scope ${scope}.` });
    }
    return next(request, call);
  };
};

const patterns = new Map<string, RegExp>();
const validator = createValidator({
  // Patterns come from our own contracts, so the platform's fast matcher is safe here.
  regexMatch: (pattern, text) => {
    let compiled = patterns.get(pattern);
    if (!compiled) patterns.set(pattern, (compiled = new RegExp(pattern, 'u')));
    return compiled.test(text);
  },
});

/** Checks the rules of the contract (protovalidate). */
export const validateRequest: Step = (next, method) => (request, call) => {
  const violations = brokenRules(method.input, request);
  if (violations.length > 0) throw new Problem({ reason: Reason.INVALID_REQUEST, detail: 'The request breaks rules of its contract.', violations });
  return next(request, call);
};

/** What in a message breaks the rules of its contract, for messages that come by another way than a call. */
export function brokenRules<Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>): readonly Violation[] {
  const result = validator.validate(schema, message);
  if (result.kind === 'error') throw result.error;
  return result.kind === 'invalid' ? result.violations.map(toViolation) : [];
}

/** Stops waiting when the deadline has passed or the caller went away, and tells the handler by its signal. */
export const keepDeadline: Step = (next) => async (request, call) => {
  const wait = startWaiting(call);
  try {
    const answer = await Promise.race([next(request, call), wait.isOver]);
    if (isStream(answer)) return endWith(answer, wait);
    wait.end();
    return answer;
  } catch (error) {
    wait.end();
    throw error;
  }
};

/**
 * Gives a write that its caller named by an idempotency key its first answer again. The handler keeps that answer in the
 * write's own transaction (`Call.once`), where a second call that came meanwhile finds it too.
 */
export const answerOnce: Step = (next, method, { answers }) => {
  if (!methodRules(method).isIdempotent) return next;
  const name = `${method.parent.typeName}.${method.name}`;
  if (!answers || isStreaming(method)) throw new Error(`${name} is idempotent: it needs a place that keeps answers, and it cannot be a stream`);
  return async (request, call) => {
    const key = call.metadata.get(idempotencyKeyHeader);
    if (key === undefined) return next(request, call);
    call.write = new NamedWrite(method, checkIdempotencyKey(key), request);
    try {
      const stored = await answers.answerTo(call.caller!.tenant, key);
      if (stored) throw new AnsweredBefore(call.write.answerOf(stored));
      const answer = await next(request, call);
      if (!call.write.isKept) throw new Error(`${name} answered without keeping its answer: give its transaction \`call.once(…)\``);
      return answer;
    } catch (error) {
      if (!(error instanceof AnsweredBefore)) throw error;
      call.onReplayed?.();
      return error.answer;
    }
  };
};

/** Turns every error into a Problem; one that nobody foresaw is logged and shows nothing of itself. */
export const answerWithProblems: Step = (next, method, { problemOf }) => {
  const translate = (error: unknown): Problem => {
    if (error instanceof Problem) return error;
    const known = problemOf?.(error);
    if (!known) return unexpected(error, method);
    // The caller is told what to do; why it happened is the operator's to read.
    warnRepeatedly({ err: error, method: `${method.parent.typeName}.${method.name}` }, known.detail);
    return known;
  };
  return async (request, call) => {
    try {
      const answer = await next(request, call);
      return isStream(answer) ? translated(answer, translate) : answer;
    } catch (error) {
      throw translate(error);
    }
  };
};

/** A problem for an error that nobody foresaw: it is logged, and the caller learns that it was. */
export function unexpected(error: unknown, method: DescMethod): Problem {
  if (error instanceof Problem) return error;
  log.error({ err: error, method: `${method.parent.typeName}.${method.name}` }, 'a call failed unexpectedly');
  return new Problem({ reason: Reason.INTERNAL, detail: 'An unexpected error was logged.' }, { cause: error });
}

/** The chain of every call, innermost last, the same in both transports. */
export const callChain: readonly Step[] = [answerWithProblems, verifyCaller, requireScope, validateRequest, keepDeadline, answerOnce];

export function chain(steps: readonly Step[], handle: Handle, method: DescMethod, context: ChainContext): Handle {
  return steps.reduceRight((next, step) => step(next, method, context), handle);
}

/** What the handler sees of an admitted call. */
export function admitted({ caller, token, deadline, abort, metadata, write }: IncomingCall): Call {
  if (!caller || token === undefined) throw new Problem({ reason: Reason.UNAUTHENTICATED, detail: 'Nobody verified the caller.' });
  return { caller, token, tenant: caller.tenant, deadline, signal: abort.signal, metadata, once: (toAnswer) => write?.once(toAnswer) };
}

export function isStream(answer: Answer): answer is AsyncIterable<Message> {
  return Symbol.asyncIterator in answer;
}

async function* translated(stream: AsyncIterable<Message>, translate: (error: unknown) => Problem): AsyncIterable<Message> {
  try {
    yield* stream;
  } catch (error) {
    throw translate(error);
  }
}

interface Wait {
  /** Rejects when waiting makes no sense any more. */
  readonly isOver: Promise<never>;
  end(): void;
}

const longestTimerMs = 2 ** 31 - 1;

function startWaiting({ abort, deadline }: IncomingCall): Wait {
  const { promise: isOver, reject } = Promise.withResolvers<never>();
  isOver.catch(() => undefined);
  const onAbort = () => reject(abort.signal.reason);
  if (abort.signal.aborted) onAbort();
  else abort.signal.addEventListener('abort', onAbort, { once: true });
  const passed = { reason: Reason.DEADLINE_EXCEEDED, detail: 'The answer was not there before the deadline.', retryAfterSeconds: 1 };
  const timer = setTimeout(() => abort.abort(new Problem(passed)), Math.min(deadline - Date.now(), longestTimerMs));
  return {
    isOver,
    end() {
      clearTimeout(timer);
      abort.signal.removeEventListener('abort', onAbort);
    },
  };
}

async function* endWith(stream: AsyncIterable<Message>, wait: Wait): AsyncIterable<Message> {
  const iterator = stream[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), wait.isOver]);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    wait.end();
    void iterator.return?.();
  }
}

function toViolation({ field, message }: BrokenRule): Violation {
  return { pointer: jsonPointer(field), detail: message };
}

/** A path of protobuf-es as a JSON pointer: `/items/3/title`. */
export function jsonPointer(path: Path): string {
  return path
    .map((step) => {
      if (step.kind === 'field') return `/${step.jsonName}`;
      if (step.kind === 'list_sub') return `/${step.index}`;
      if (step.kind === 'map_sub') return `/${String(step.key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
      return '';
    })
    .join('');
}
