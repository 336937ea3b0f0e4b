export { approximationScores, variationScores } from './baseline/scores.ts';
export { gridTokens, randomTokens } from './baseline/selections.ts';
export { llava7b, type LanguageModel, type TokenCost, tokenCost } from './cost/language-model-cost.ts';
export { evocutSelection, type EncoderGraph } from './evocut/evocut-graph.ts';
export { evolutionScores, type EvocutParameters, type HiddenStates, keptTokens, paperParameters } from './evocut/evocut.ts';
