export { approximationScores, variationScores } from './baseline/scores.ts';
export { coarserGrid, gridTokens, randomTokens } from './baseline/selections.ts';
export { type VisionZipInput, type VisionZipSelection, visionZipTokens } from './baseline/vision-zip.ts';
export { llava7b, type LanguageModel, type TokenCost, tokenCost } from './cost/language-model-cost.ts';
export { evocutSelection, type EncoderGraph } from './evocut/evocut-graph.ts';
export { evolutionScores, type EvocutExtensions, type EvocutParameters, type GroupStart, type HiddenStates, keptTokens, paperParameters } from './evocut/evocut.ts';
export { averagedScores, plusPlusStart, randomStart } from './evocut/group-starts.ts';
export { compressionContracts, type CompressionOptions, start } from './start.ts';
