export { retrievalContracts, type RetrievalOptions, start } from './start.ts';
export { milvusVersion } from './index/milvus.client.ts';
