import { Problem, Reason } from '@touchstone/contracts';

/** The same for a blob that nobody has and for one that only others have. */
export const blobNotFound = (id: string) =>
  new Problem({ reason: Reason.BLOB_NOT_FOUND, detail: `You have no blob ${id}.`, violations: [{ pointer: '/id', detail: 'no such blob' }] });

export const uploadNotFound = (id: string) =>
  new Problem({
    reason: Reason.UPLOAD_NOT_FOUND,
    detail: `You have no upload ${id}; one that is not finished in 24 hours is dropped.`,
    violations: [{ pointer: '/id', detail: 'no such upload' }],
  });

export const emptyBlob = () => new Problem({ reason: Reason.INVALID_REQUEST, detail: 'A blob has at least one byte.' });

export const wrongMediaType = (given: string) =>
  new Problem({
    reason: Reason.UNSUPPORTED_MEDIA_TYPE,
    detail: `Content-Type names no media type: ${given.slice(0, 100)}. Leave it out for application/octet-stream.`,
  });

export const tooLarge = (limitBytes: number) => new Problem({ reason: Reason.BODY_TOO_LARGE, detail: `At most ${limitBytes} bytes are taken here.` });

export const quotaExceeded = (stored: number, more: number, limit: number) =>
  new Problem({ reason: Reason.BLOB_QUOTA_EXCEEDED, detail: `Your blobs and uploads have ${stored} bytes; ${more} more would exceed the ${limit} that you may store. Delete blobs or ask for more.` });

export const cutOff = (cause: unknown) =>
  new Problem({ reason: Reason.INVALID_REQUEST, detail: 'The body ended before its announced end.' }, { cause });

export const diskFull = (cause: unknown) =>
  new Problem({ reason: Reason.UNAVAILABLE, detail: 'The disk of the blob store is full; nothing was stored.', retryAfterSeconds: 60 }, { cause });

/** Two requests may write one upload; the first to end is kept. */
export const offsetDiffers = (expected: number, given: number) =>
  new Problem({
    reason: Reason.UPLOAD_OFFSET_DIFFERS,
    detail: `The upload goes on from byte ${expected}, not ${given}.`,
    violations: [{ parameter: 'Upload-Offset', detail: `expected ${expected}` }],
  });

export const noOffset = () =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: 'The header Upload-Offset says from which byte the upload goes on.',
    violations: [{ parameter: 'Upload-Offset', detail: 'expected a whole number' }],
  });

export const tooManyParts = (limit: number) =>
  new Problem({ reason: Reason.INVALID_REQUEST, detail: `An upload comes in at most ${limit} requests; begin again with larger ones.` });

export const contentDiffers = (expected: string, got: string) =>
  new Problem({ reason: Reason.CONTENT_DIFFERS, detail: `The upload was announced as ${expected} and is ${got}; it was dropped.` });

export const rangeNotSatisfiable = (bytes: number) =>
  new Problem({ reason: Reason.RANGE_NOT_SATISFIABLE, detail: `The blob has ${bytes} bytes.`, violations: [{ parameter: 'Range', detail: `only 0 to ${bytes - 1}` }] });
