import type { LoggerService } from '@nestjs/common';
import { pino, type Logger } from 'pino';

export type { Logger };

/** The process's log: JSON lines on standard error, level from `TOUCHSTONE_LOG_LEVEL` (default `info`). */
export const log: Logger = pino(
  {
    level: process.env.TOUCHSTONE_LOG_LEVEL ?? 'info',
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: ['*.authorization', '*.password', '*.secret'], remove: true },
  },
  pino.destination({ fd: 2, sync: true }),
);

/** Nest's own messages in the same log; its start-up chatter shows at level `debug` only. */
export function nestLogger(service: string): LoggerService {
  const child = log.child({ service });
  const write = (level: 'debug' | 'warn' | 'error' | 'fatal') => (message: unknown, ...rest: unknown[]) => {
    const error = message instanceof Error ? message : rest.find((entry) => entry instanceof Error);
    const context = rest.filter((entry) => typeof entry === 'string').at(-1);
    child[level]({ context, ...(error ? { err: error } : {}) }, String(message instanceof Error ? message.message : message));
  };
  return { log: write('debug'), debug: write('debug'), verbose: write('debug'), warn: write('warn'), error: write('error'), fatal: write('fatal') };
}
