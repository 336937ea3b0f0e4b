export { type GatewayOptions, type RunningGateway, start } from './gateway.ts';
export { type BlobOptions, blobStoreAt } from './blob/blob.module.ts';
export type { S3Options } from './blob/s3-blob-store.ts';
export { gatewayContracts, gatewayContractServer } from './own-contracts.ts';
export { type ApiKey, ApiKeys, type NewKey, operator } from './key/api-keys.ts';
export { createKey, type DatabaseUrls, openKeys } from './key/keys.module.ts';
export { OperationsChannel } from './operation/operations-channel.ts';
export type { Upstream } from './rest/rest-controller.ts';
