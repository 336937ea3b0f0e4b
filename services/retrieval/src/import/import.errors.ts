import { Problem, Reason } from '@touchstone/contracts';

/** What was written before stays; the same file would fail there again. */
export const fileRefused = (cause: Error) =>
  new Problem({ reason: Reason.INVALID_REQUEST, detail: `The Parquet file ${cause.message}.`, violations: [{ pointer: '/blobId', detail: cause.message }] }, { cause });
