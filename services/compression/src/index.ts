export { evolutionScores, type EvocutParameters, type HiddenStates, keptTokens, paperParameters } from './evocut/evocut.ts';
