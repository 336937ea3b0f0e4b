import { Problem, Reason } from '@touchstone/contracts';
import { ModelNotReady, PictureRefused } from '@touchstone/models';

const pictureRefused = (pointer: string, detail: string, cause?: unknown) =>
  new Problem({ reason: Reason.PICTURE_REFUSED, detail: 'A picture cannot be used; nothing was written.', violations: [{ pointer, detail }] }, { cause });

export const pictureMissing = (pointer: string, cause: unknown) => pictureRefused(pointer, 'you have no such blob', cause);

export const pictureNotFetched = (pointer: string, cause: Error) => pictureRefused(pointer, cause.message, cause);

export const pictureTooLarge = (pointer: string, bytes: number, limit: number) =>
  pictureRefused(pointer, `a picture has at most ${limit} bytes and this one has ${bytes}`);

/** A file that is a picture to us and something else to another program is not kept. */
export const pictureIsMore = (pointer: string, what: string) => pictureRefused(pointer, `it holds ${what} too; send the picture alone`);

export const picturesTooLarge = (pointer: string, limit: number) =>
  pictureRefused(pointer, `all pictures of a request have at most ${limit} bytes together; split the request`);

/**
 * What an error of libs/models says to a caller; any other error comes back as it is.
 *
 * @param pointerOf JSON pointer of the picture at a position of what the model was given.
 */
export function modelProblem(error: unknown, pointerOf: (position: number) => string): unknown {
  if (error instanceof PictureRefused) return pictureRefused(pointerOf(error.index), error.detail, error);
  if (!(error instanceof ModelNotReady)) return error;
  return new Problem({ reason: Reason.MODEL_NOT_READY, detail: error.message, retryAfterSeconds: error.retryAfterSeconds }, { cause: error });
}
