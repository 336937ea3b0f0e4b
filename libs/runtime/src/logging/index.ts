import type { LoggerService } from '@nestjs/common';
import { pino, stdSerializers, type Logger } from 'pino';
import { currentWork } from '../telemetry/work.ts';

export { warnRepeatedly } from './warn-repeatedly.ts';
export type { Logger };

/**
 * The process's log: JSON lines on standard error, level from `TOUCHSTONE_LOG_LEVEL` (default `info`). Each line names the
 * service and, where there are any, the request and the trace that it belongs to.
 */
export const log: Logger = pino(
  {
    level: process.env.TOUCHSTONE_LOG_LEVEL ?? 'info',
    base: undefined,
    mixin() {
      const { service = 'touchstone', requestId, span } = currentWork();
      return { service, requestId, traceId: span?.traceId };
    },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: errorFields },
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: ['*.authorization', '*.password', '*.secret'], remove: true },
  },
  pino.destination({ fd: 2, sync: true }),
);

/** Nest's own messages in the same log; its start-up chatter shows at level `debug` only. */
export function nestLogger(service: string): LoggerService {
  const write = (level: 'debug' | 'warn' | 'error' | 'fatal') => (message: unknown, ...rest: unknown[]) => {
    const error = message instanceof Error ? message : rest.find((entry) => entry instanceof Error);
    const context = rest.filter((entry) => typeof entry === 'string').at(-1);
    log[level]({ service, context, ...(error ? { err: error } : {}) }, String(message instanceof Error ? message.message : message));
  };
  return { log: write('debug'), debug: write('debug'), verbose: write('debug'), warn: write('warn'), error: write('error'), fatal: write('fatal') };
}

/** Type, message, stack and code, with the causes in message and stack. Other fields may be what a caller sent: an error of the database has the statement's parameters. */
export function errorFields(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const { type, message, stack, code } = stdSerializers.err(error);
  return { type, message, stack, code: code as unknown };
}
