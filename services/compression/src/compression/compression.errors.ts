import { Problem, Reason } from '@touchstone/contracts';

/** The same for one that never was, one of another tenant and one whose time is over. */
export const compressionNotFound = (id: string, hours: number) =>
  new Problem({
    reason: Reason.COMPRESSION_NOT_FOUND,
    detail: `You have no compression ${id}: one is kept for ${hours} hours. Compress the picture again.`,
    violations: [{ parameter: 'id', detail: 'no such compression' }],
  });

export const tokensDeleted = (id: string, cause: unknown) =>
  new Problem(
    {
      reason: Reason.COMPRESSION_NOT_FOUND,
      detail: `The blob with all tokens of the compression ${id} was deleted. Compress the picture again.`,
      violations: [{ parameter: 'id', detail: 'its tokens are gone' }],
    },
    { cause },
  );

/** Names are an open set, so the contract has no list of them. */
export const unknownName = (pointer: string, what: string, name: string, known: readonly string[]) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: `There is no ${what} ${name}.`,
    violations: [{ pointer, detail: `expected ${known.join(', ')}` }],
  });

/** It makes one vector, and its graph shows nothing of what lies between. */
export const noHiddenStates = (name: string, encoders: readonly string[]) =>
  new Problem({
    reason: Reason.ENCODER_UNSUITABLE,
    detail: `${name} gives one vector and does not show its hidden states: there are no tokens to choose from.`,
    violations: [{ pointer: '/encoder', detail: `expected an encoder with hidden states: ${encoders.join(', ')}` }],
  });

export const noAttention = (pointer: string, method: string, encoder: string) =>
  new Problem({
    reason: Reason.ENCODER_UNSUITABLE,
    detail: `The method ${method} chooses by the encoder’s attention, and ${encoder} does not show it.`,
    violations: [{ pointer, detail: `not with ${encoder}` }],
  });

export const noSuchLayer = (selectLayer: number, layers: number) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: `The encoder shows its last ${layers} layers.`,
    violations: [{ pointer: '/selectLayer', detail: `expected -${layers} to -1, got ${selectLayer}` }],
  });

/** What is kept has a grid of its own, so it can neither stand beside other choices nor be made of tokens that are there. */
export const encodesAnew = (pointer: string, method: string) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: `The method ${method} makes the picture itself smaller and encodes it again, in a grid of its own: compress the picture by it.`,
    violations: [{ pointer, detail: `${method} needs the picture` }],
  });

export const budgetTooLarge = (budget: number, tokens: number) =>
  new Problem({
    reason: Reason.BUDGET_TOO_LARGE,
    detail: `A picture has ${tokens} tokens here, and ${budget} are to be kept.`,
    violations: [{ pointer: '/budget/tokens', detail: `at most ${tokens}` }],
  });

export const scopeMissing = (scope: string) =>
  new Problem({ reason: Reason.SCOPE_MISSING, detail: `The key needs the scope ${scope} too: tokens are read and written as blobs.` });
