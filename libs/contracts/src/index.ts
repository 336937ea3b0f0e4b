export type { Call, Implementation, Result } from './call.ts';
export { brokenRules, callChain, jsonPointer, type Step } from './call-chain.ts';
export { type CallOptions, type Channel, GrpcChannel, LocalChannel, serviceClient, type ServiceClient } from './channel.ts';
export { ContractServer, type ContractServerOptions, defaultDeadlineMs, maximumMessageBytes } from './contract-server.ts';
export { GrpcController, PassErrors } from './grpc-controller.ts';
export { checkIdempotencyKey, idempotencyKeyHeader } from './idempotency.ts';
export { type MethodRules, methodRules } from './method-rules.ts';
export { Problem, reasonName, reasonPolicy, type Violation } from './problem.ts';
export { Reason } from '../gen/touchstone/api/v1/problem_pb.ts';
