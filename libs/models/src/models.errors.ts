/** The model cannot answer now; the same call may succeed later. A caller answers 503 with `Retry-After`. */
export class ModelNotReady extends Error {
  override readonly name = 'ModelNotReady';

  constructor(
    readonly model: string,
    /** Why, in words for a person. */
    readonly detail: string,
    readonly retryAfterSeconds: number,
    options?: ErrorOptions,
  ) {
    super(`${model} is not ready: ${detail}`, options);
  }
}

/** An input is no picture that we take: broken, too large, animated, or of another kind. Retrying does not help. */
export class PictureRefused extends Error {
  override readonly name = 'PictureRefused';

  constructor(
    /** Position of the picture in the inputs of the call. */
    readonly index: number,
    /** Why, in words for a person. */
    readonly detail: string,
  ) {
    super(`picture ${index}: ${detail}`);
  }
}
