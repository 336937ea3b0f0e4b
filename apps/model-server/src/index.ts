export { startModelServer } from './model-server.ts';
export type { ModelServer, ModelServerOptions } from './model-server.ts';
export type { Level, Log } from './log.ts';
