import { expect, it } from 'vitest';
import { languageModels } from './language-models.ts';

/** Vocabularies and heads of queries, from the same files. */
const others: Readonly<Record<string, { readonly vocabulary: number; readonly heads: number }>> = {
  'llava-1.5-7b': { vocabulary: 32_000, heads: 32 },
  'llava-1.5-13b': { vocabulary: 32_000, heads: 40 },
  'llava-next-vicuna-7b': { vocabulary: 32_000, heads: 32 },
  'llava-next-mistral-7b': { vocabulary: 32_000, heads: 32 },
  'qwen2.5-vl-7b': { vocabulary: 152_064, heads: 28 },
};

it.each(languageModels)('$name has the parameters that its figures make, without the table of embeddings', ({ name, layers, width, feedForwardWidth, keyValueHeads, headWidth, parameters }) => {
  const { vocabulary, heads } = others[name];
  const attention = 2 * width * heads * headWidth + 2 * width * keyValueHeads * headWidth;
  const counted = layers * (attention + 3 * width * feedForwardWidth) + vocabulary * width;
  expect(Math.abs(parameters - counted) / counted).toBeLessThan(0.003);
});

it('no two have one name', () => expect(new Set(languageModels.map(({ name }) => name)).size).toBe(languageModels.length));
