export type { Caller, Tenant } from './caller.ts';
export { CallerTokens, CallerTokenVerifier, generateTokenKeys, type TokenKeys } from './caller-token.ts';
