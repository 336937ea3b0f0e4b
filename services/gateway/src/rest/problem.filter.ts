import type { Socket } from 'node:net';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import { Problem, Reason, reasonPolicy } from '@touchstone/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { openAiError } from '../openai/openai-error.ts';
import { problemDocument, problemOf, problemType } from './problem-document.ts';

const lingerMs = 1_000;

/** Answers every error with problem+json, whatever part of the gateway it comes from. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const unwrapped = error instanceof HttpException ? fromNest(error) : error;
    sendProblem(http.getResponse<FastifyReply>(), problemOf(unwrapped, request.id), request.id);
  }
}

export function sendProblem(reply: FastifyReply, problem: Problem, requestId: string): void {
  if (reply.sent || reply.raw.headersSent) return;
  const { httpStatus } = reasonPolicy(problem.reason);
  if (httpStatus === 401) reply.header('www-authenticate', 'Bearer realm="touchstone"');
  if (problem.retryAfterSeconds !== undefined) reply.header('retry-after', String(problem.retryAfterSeconds));
  // What is left of a body that nobody will read must not be taken for the next request.
  if (httpStatus === 413) {
    reply.header('connection', 'close');
    closeLater(reply.raw.socket);
  }
  const document = problemDocument(problem, requestId);
  const shown = reply.request.routeOptions?.config?.showsOpenAiError ? { ...document, error: openAiError(document) } : document;
  // As bytes: to a string Fastify would add a charset, which this media type does not have.
  void reply.status(httpStatus).header('content-type', problemType).send(Buffer.from(JSON.stringify(shown)));
}

/**
 * Closing a connection while its client still sends resets it, and the client never sees the answer: what comes is thrown
 * away for a moment first.
 */
function closeLater(socket: Socket | null): void {
  if (!socket) return;
  socket.destroySoon = () => {
    socket.end();
    setTimeout(() => socket.destroy(), lingerMs).unref();
  };
}

function fromNest(error: HttpException): unknown {
  if (error.cause) return error.cause; // Nest wraps errors of Fastify
  if (error.getStatus() === 404) return new Problem({ reason: Reason.ROUTE_NOT_FOUND, detail: 'There is nothing at this path.' });
  return error;
}
