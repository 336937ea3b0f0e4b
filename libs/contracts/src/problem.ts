import { getOption, hasOption } from '@bufbuild/protobuf';
import { type ReasonPolicy, Reason, ReasonSchema, reason as reasonOption } from '../gen/touchstone/api/v1/problem_pb.ts';

/** One part of a request that broke a rule. */
export interface Violation {
  /** JSON pointer into the body (RFC 6901). */
  readonly pointer?: string;
  /** Name of the path or query parameter, when it is not in the body. */
  readonly parameter?: string;
  readonly detail: string;
}

/** An error that a caller can act on. Status and title of its reason stand in proto/touchstone/api/v1/problem.proto. */
export class Problem extends Error {
  readonly reason: Reason;
  readonly detail: string;
  readonly violations: readonly Violation[];
  /** When to try again; absent when trying again does not help. */
  readonly retryAfterSeconds?: number;

  constructor(
    { reason, detail, violations = [], retryAfterSeconds }: {
      reason: Reason;
      detail: string;
      violations?: readonly Violation[];
      retryAfterSeconds?: number;
    },
    options?: ErrorOptions,
  ) {
    super(detail, options);
    this.name = 'Problem';
    this.reason = reason;
    this.detail = detail;
    this.violations = violations;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

const policies = new Map<Reason, ReasonPolicy>(
  ReasonSchema.values.map((value) => {
    if (!hasOption(value, reasonOption)) throw new Error(`${value.name} has no (reason) option in problem.proto`);
    return [value.number, getOption(value, reasonOption)];
  }),
);

/** HTTP status, gRPC code and title of a reason; a reason of a newer version counts as unspecified. */
export function reasonPolicy(reason: Reason): ReasonPolicy {
  return policies.get(reason) ?? policies.get(Reason.UNSPECIFIED)!;
}

/** The public name of a reason: `REASON_NO_JOINT_SPACE` is `no-joint-space`. */
export function reasonName(reason: Reason): string {
  const name = ReasonSchema.value[reason]?.name ?? 'REASON_UNSPECIFIED';
  return name.replace(/^REASON_/, '').toLowerCase().replaceAll('_', '-');
}
