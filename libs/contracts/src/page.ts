import { Reason } from '../gen/touchstone/api/v1/problem_pb.ts';
import { Problem } from './problem.ts';

/** A part of a list. */
export interface Page<Row> {
  readonly rows: readonly Row[];
  /** Absent on the last page. */
  readonly nextCursor?: string;
}

/**
 * The place that a cursor names. Cursors are opaque to clients: what they hold may change.
 *
 * @param form of a place, each part a group.
 * @returns the groups; undefined for no cursor.
 * @throws Problem INVALID_REQUEST for a cursor that no list here gave.
 */
export function placeAt(cursor: string | undefined, form: RegExp): string[] | undefined {
  if (cursor === undefined) return undefined;
  const match = form.exec(Buffer.from(cursor, 'base64url').toString('utf8'));
  if (match) return match.slice(1);
  throw new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: 'The cursor is not one that this list gave.',
    violations: [{ pointer: '/cursor', detail: 'expected `nextCursor` of the page before' }],
  });
}

/** @param rows one more than `limit` when there are more. @param place of a row, after which the next page begins. */
export function pageOf<Row>(rows: readonly Row[], limit: number, place: (row: Row) => string): Page<Row> {
  const shown = rows.slice(0, limit);
  return { rows: shown, nextCursor: rows.length > limit ? Buffer.from(place(shown.at(-1)!)).toString('base64url') : undefined };
}
