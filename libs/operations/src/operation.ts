import type { JsonObject } from '@bufbuild/protobuf';
import type { Violation } from '@touchstone/contracts';

export type OperationState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

/** How much of some work is done, in units of its kind. */
export interface Progress {
  readonly done: number;
  /** Absent while it is unknown. */
  readonly total?: number;
}

/** Why an operation failed. */
export interface Failure {
  /** The public name of a problem's reason, such as `collection-not-found`. */
  readonly reason: string;
  readonly detail: string;
  readonly violations: readonly Violation[];
}

/** Long work as its tenant sees it. */
export interface Operation {
  /** `<service>-<32 hexadecimal digits of a UUIDv7>`. */
  readonly id: string;
  /** `<service>.<name>`. */
  readonly kind: string;
  readonly state: OperationState;
  /** Grows with each change. */
  readonly sequence: number;
  readonly progress: Progress;
  /** Set when it has succeeded. */
  readonly result?: JsonObject;
  /** Set when it has failed. */
  readonly problem?: Failure;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Whether nobody works on it any more, unless it is retried. */
export function isFinished({ state }: Operation): boolean {
  return state !== 'queued' && state !== 'running';
}

/** The service that an operation belongs to, by its id alone; undefined when it is no id of an operation. */
export function serviceOf(id: string): string | undefined {
  return /^([a-z][a-z0-9-]{0,39})-[0-9a-f]{32}$/.exec(id)?.[1];
}

export function operationId(service: string, uuid: string): string {
  return `${service}-${uuid.replaceAll('-', '')}`;
}

/** Ids grow with time, so the place in a list is the UUID of the last operation that was shown; it holds in every service. */
export function cursorAfter({ id }: Pick<Operation, 'id'>): string {
  return Buffer.from(id.slice(-32), 'hex').toString('base64url');
}

/** @returns the id before which the next page begins. */
export function idAtCursor(service: string, cursor: string): string {
  return `${service}-${Buffer.from(cursor, 'base64url').toString('hex')}`;
}

/** The columns of the table `operation` that make an Operation. */
export interface OperationRow {
  id: string;
  kind: string;
  state: OperationState;
  sequence: number;
  done: number;
  total: number | null;
  result: JsonObject | null;
  problem: Failure | null;
  created_at: Date;
  updated_at: Date;
}

export function toOperation({ id, kind, state, sequence, done, total, result, problem, created_at, updated_at }: OperationRow): Operation {
  return {
    ...{ id, kind, state, sequence },
    progress: { done, total: total ?? undefined },
    result: result ?? undefined,
    problem: problem ?? undefined,
    createdAt: created_at,
    updatedAt: updated_at,
  };
}
