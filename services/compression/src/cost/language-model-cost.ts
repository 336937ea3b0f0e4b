/** What visual tokens cost a language model: EvoCut, equation 7 and section A.3. */

/** The figures of a decoder that its cost follows from. */
export interface LanguageModel {
  readonly layers: number;
  readonly width: number;
  readonly feedForwardWidth: number;
  readonly keyValueHeads: number;
  readonly headWidth: number;
  /** Bytes of a number in the cache. */
  readonly cacheBytes: number;
  /** Parameters that each token passes: all but the embeddings. */
  readonly parameters: number;
}

/** LLaVA-1.5-7B: Vicuna 7B, a Llama 2 in float16. */
export const llava7b: LanguageModel = { layers: 32, width: 4096, feedForwardWidth: 11008, keyValueHeads: 32, headWidth: 128, cacheBytes: 2, parameters: 6.62e9 };

export interface TokenCost {
  readonly tokens: number;
  /** Prefill by the paper's formula; it leaves out constants, so compare it only with itself. */
  readonly formulaFlops: number;
  /** Prefill as the paper's tables count: two operations for each parameter and token. */
  readonly parameterFlops: number;
  /** Keys and values of the tokens, as long as they are in the context. */
  readonly cacheBytes: number;
}

/**
 * @param visualTokens that the language model reads.
 * @param textTokens   beside them; 0 when absent.
 */
export function tokenCost(model: LanguageModel, visualTokens: number, textTokens = 0): TokenCost {
  const { layers, width, feedForwardWidth, keyValueHeads, headWidth, cacheBytes, parameters } = model;
  const tokens = visualTokens + textTokens;
  return {
    tokens,
    formulaFlops: layers * (4 * tokens * width ** 2 + 2 * tokens ** 2 * width + 2 * tokens * width * feedForwardWidth),
    parameterFlops: 2 * parameters * tokens,
    cacheBytes: 2 * layers * keyValueHeads * headWidth * cacheBytes * tokens,
  };
}
