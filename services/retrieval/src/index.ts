export { retrievalContracts, type RetrievalOptions, start } from './start.ts';
