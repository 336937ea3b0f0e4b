import { type LanguageModel, llava7b } from './language-model-cost.ts';

export interface NamedLanguageModel extends LanguageModel {
  readonly name: string;
  /** Where its figures are from. */
  readonly source: string;
}

/** Decoders with their published figures; parameters are all but the table of embeddings. */
export const languageModels: readonly NamedLanguageModel[] = [
  { name: 'llava-1.5-7b', source: 'config.json of lmsys/vicuna-7b-v1.5; parameters by the tables of EvoCut', ...llava7b },
  { name: 'llava-1.5-13b', source: 'config.json of lmsys/vicuna-13b-v1.5', layers: 40, width: 5120, feedForwardWidth: 13824, keyValueHeads: 40, headWidth: 128, cacheBytes: 2, parameters: 12.85e9 },
  { name: 'llava-next-vicuna-7b', source: 'llava-hf/llava-v1.6-vicuna-7b-hf: the decoder of llava-1.5-7b', ...llava7b },
  { name: 'llava-next-mistral-7b', source: 'config.json of mistralai/Mistral-7B-Instruct-v0.2', layers: 32, width: 4096, feedForwardWidth: 14336, keyValueHeads: 8, headWidth: 128, cacheBytes: 2, parameters: 7.11e9 },
  { name: 'qwen2.5-vl-7b', source: 'config.json of Qwen/Qwen2.5-VL-7B-Instruct; it reads one token for each 2 × 2 patches', layers: 28, width: 3584, feedForwardWidth: 18944, keyValueHeads: 4, headWidth: 128, cacheBytes: 2, parameters: 7.07e9 },
];
