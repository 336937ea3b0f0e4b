import { Problem, Reason, reasonName, reasonPolicy, type Violation } from '@touchstone/contracts';
import { DatabaseUnavailable } from '@touchstone/persistence';
import { log, warnRepeatedly } from '@touchstone/runtime/logging';

export const problemType = 'application/problem+json';

/** RFC 9457. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** The request's id, as in the header `X-Request-Id`. */
  readonly instance?: string;
  readonly violations: readonly Violation[];
  readonly retryAfterSeconds?: number;
}

export function problemDocument({ reason, detail, violations, retryAfterSeconds }: Problem, requestId?: string): ProblemDocument {
  const { httpStatus, title } = reasonPolicy(reason);
  return { type: `/problems/${reasonName(reason)}`, title, status: httpStatus, detail, instance: requestId, violations, retryAfterSeconds };
}

/** A service does not take the token that this gateway has just signed for a caller with a good key; that is not the caller's to mend. */
export function withoutRefusedTokens(problem: Problem): Problem {
  if (problem.reason !== Reason.UNAUTHENTICATED) return problem;
  warnRepeatedly({}, 'a service refuses the tokens of this gateway: their clocks or their keys differ');
  const detail = 'Parts of the platform do not agree about the time or their keys: its operator has to mend that.';
  return new Problem({ reason: Reason.UNAVAILABLE, detail, retryAfterSeconds: 30 }, { cause: problem });
}

/** The problem that any error of the gateway stands for; one that nobody foresaw is logged and shows nothing of itself. */
export function problemOf(error: unknown, requestId: string): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof DatabaseUnavailable) {
    warnRepeatedly({ err: error, requestId }, 'the database does not answer');
    return new Problem({ reason: Reason.UNAVAILABLE, detail: 'The database does not answer.', retryAfterSeconds: 2 }, { cause: error });
  }
  const { statusCode, code = '' } = error as { statusCode?: number; code?: string };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new Problem({ reason: Reason.BODY_TOO_LARGE, detail: 'The body is larger than this server takes.' });
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new Problem({ reason: Reason.UNSUPPORTED_MEDIA_TYPE, detail: 'The body must be application/json.' });
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500 && code.startsWith('FST_ERR_')) {
    return new Problem({ reason: Reason.INVALID_REQUEST, detail: (error as Error).message }, { cause: error });
  }
  log.error({ err: error, requestId }, 'a request failed unexpectedly');
  return new Problem({ reason: Reason.INTERNAL, detail: 'An unexpected error was logged.' }, { cause: error });
}
