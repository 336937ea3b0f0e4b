import { Problem, Reason } from '@touchstone/contracts';

/** What was written before stays; the same file would fail there again. */
export const fileRefused = (cause: Error) =>
  new Problem({ reason: Reason.INVALID_REQUEST, detail: `The Parquet file ${cause.message}.`, violations: [{ pointer: '/blobId', detail: cause.message }] }, { cause });

/** The import stops there; what is before the line is written. */
export const itemQuotaExceededAt = (line: number, limit: number, cause: Problem) =>
  new Problem(
    {
      reason: cause.reason,
      detail: `Line ${line} finds no room: your collections may have ${limit} items together. Delete items or ask for more, then import the file again: what is there already is left as it is.`,
      violations: [{ pointer: '/blobId', detail: `line ${line} finds no room` }],
    },
    { cause },
  );
