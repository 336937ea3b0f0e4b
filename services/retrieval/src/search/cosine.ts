/** A cosine as answers show it: rounding may have put it a millionth beyond its ends. */
export const shownCosine = (cosine: number) => Math.max(-1, Math.min(1, cosine));
