export { FetchRefused, type Internet, OutboundFetch, type OutboundFetchOptions } from './outbound-fetch.ts';
export { isPublicAddress } from './public-address.ts';
