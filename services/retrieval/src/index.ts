export { retrievalContracts, type RetrievalOptions, type RunningRetrieval, start } from './start.ts';
