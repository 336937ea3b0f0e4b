/** How many tokens are kept: a number of them, or a part of all. */
export type Budget = { readonly tokens: number } | { readonly ratio: number };

/** K of N: a part is rounded to whole tokens, at least one. A number may be more than there are. */
export function keptCount(budget: Budget, tokens: number): number {
  return 'tokens' in budget ? budget.tokens : Math.max(1, Math.round(budget.ratio * tokens));
}
