import { QueryRunnerAlreadyReleasedError, QueryRunnerProviderAlreadyReleasedError } from 'typeorm';

/**
 * PostgreSQL cannot be reached, is shutting down, is out of connections or has no disk space left.
 * Nothing was committed, or (when the connection broke during COMMIT) it is unknown whether it was: repeat the
 * call with the same idempotency key. Callers answer 503.
 */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable';
}

const socketCodes = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN']);

/** pg reports a lost connection and a full pool by message only. */
const lostConnection = /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|Client was closed)/;

/** Returns `DatabaseUnavailable` with the cause when PostgreSQL is the reason, else the error itself. */
export function explainUnavailable(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof DatabaseUnavailable) return error;
  if (error instanceof QueryRunnerAlreadyReleasedError || error instanceof QueryRunnerProviderAlreadyReleasedError) {
    return new DatabaseUnavailable('PostgreSQL is not available: the connection was lost within a transaction', { cause: error });
  }
  const driverError = (error as { driverError?: unknown }).driverError;
  const source = driverError instanceof Error ? driverError : error;
  const code = (source as { code?: string }).code ?? '';
  const reason = reasonFor(code, source.message);
  return reason === undefined ? error : new DatabaseUnavailable(`PostgreSQL is not available: ${reason}`, { cause: error });
}

/** SQLSTATE: https://www.postgresql.org/docs/18/errcodes-appendix.html */
function reasonFor(code: string, message: string): string | undefined {
  if (code === '53100') return `its disk is full (${message})`;
  if (code === '53300') return `it has no connection left (${message})`;
  if (code === '57P01' || code === '57P02' || code === '57P03') return `it is starting or shutting down (${message})`;
  if (code === '25P03') return `the transaction was idle for too long and was ended (${message})`;
  if (code.startsWith('08') || socketCodes.has(code) || lostConnection.test(message)) return message || code;
  return undefined;
}
