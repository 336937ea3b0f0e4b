import { type DescMethod, type DescService, isMessage, type JsonValue, toJson } from '@bufbuild/protobuf';
import { type CallOptions, type Channel, checkIdempotencyKey, idempotencyKeyHeader, methodRules, Problem } from '@touchstone/contracts';
import { type HttpBody, HttpBodySchema } from '@touchstone/contracts/gen/google/api/httpbody_pb';
import type { CallerTokens } from '@touchstone/runtime/tenant';
import { Controller, HttpCode, Req, RequestMapping, Res, type Type } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendEvents } from './event-stream.ts';
import { problemDocument, problemOf } from './problem-document.ts';
import { type HttpRequest, publicProblem, requestReader } from './request.ts';
import { type Route, routesOf } from './route.ts';

/** A service of the platform and the way to it. */
export interface Upstream {
  readonly service: DescService;
  readonly channel: Channel;
}

/** How calls are made. */
export interface CallPolicy {
  readonly tokens: CallerTokens;
  /** Longest wait for an answer. */
  readonly deadlineMs: number;
  /** Longest life of an event stream. */
  readonly streamDeadlineMs: number;
  /** Aborted when the gateway stops, so that event streams end. */
  readonly stopping: AbortSignal;
}

type Answer = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

/** The Nest controller of a service: a handler for each route of its contract, none of them written by hand. */
export function restController({ service, channel }: Upstream, policy: CallPolicy): Type<unknown> {
  const controller = { [`${service.name}Rest`]: class {} }[`${service.name}Rest`];
  Controller()(controller);
  routesOf(service).forEach((route, index) => {
    const name = `${route.method.localName}${index}`;
    const isStream = route.method.methodKind === 'server_streaming';
    const answer = isStream ? streamAnswer(route, channel, policy) : unaryAnswer(route, channel, policy);
    Object.defineProperty(controller.prototype, name, { value: answer, configurable: true, writable: true });

    const descriptor = Object.getOwnPropertyDescriptor(controller.prototype, name)!;
    RequestMapping({ path: route.path, method: route.verb })(controller.prototype, name, descriptor);
    HttpCode(methodRules(route.method).successStatus)(controller.prototype, name, descriptor);
    Req()(controller.prototype, name, 0);
    // What a unary method returns is Nest's to send, through its interceptors; a stream sends itself.
    Res({ passthrough: !isStream })(controller.prototype, name, 1);
  });
  return controller;
}

function unaryAnswer(route: Route, channel: Channel, policy: CallPolicy): Answer {
  const read = requestReader(route);
  const { method } = route;
  const { location } = methodRules(method);
  return async (request, reply): Promise<JsonValue | Uint8Array> => {
    try {
      const message = read(request as unknown as HttpRequest);
      const call = { ...(await callOptions(request, policy, policy.deadlineMs, signalOf(reply))), ...writeOptions(method, request, reply) };
      const output = await channel.unary(method, message, call);
      if (isMessage(output, HttpBodySchema)) return file(output, reply);
      const answer = toJson(method.output, output, { alwaysEmitImplicit: true });
      if (location) reply.header('location', location.replace('{id}', (answer as { id: string }).id));
      return answer;
    } catch (error) {
      throw error instanceof Problem ? publicProblem(route, error) : error;
    }
  };
}

/** An answer that is bytes. What a browser would show stays a file: others may have made it. */
function file({ contentType, data }: HttpBody, reply: FastifyReply): Uint8Array {
  void reply.headers({ 'content-type': contentType, 'content-disposition': 'attachment' });
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

function streamAnswer(route: Route, channel: Channel, policy: CallPolicy): Answer {
  const read = requestReader(route);
  const { method } = route;
  return async (request, reply) => {
    try {
      const message = read(resumed(method, request));
      const signal = AbortSignal.any([signalOf(reply), policy.stopping]);
      const call = await callOptions(request, policy, policy.streamDeadlineMs, signal);
      const toProblem = (error: unknown) => problemDocument(publicProblem(route, problemOf(error, request.id)), request.id);
      await sendEvents(reply, channel.stream(method, message, call), method.output, toProblem);
    } catch (error) {
      throw error instanceof Problem ? publicProblem(route, error) : error;
    }
  };
}

async function callOptions(request: FastifyRequest, { tokens }: CallPolicy, deadlineMs: number, signal: AbortSignal): Promise<CallOptions> {
  const token = await tokens.issue(request.caller!);
  return { token, deadline: Date.now() + deadlineMs, signal, metadata: new Map([['x-request-id', request.id]]) };
}

/** A browser that was cut off asks again at the same address and says by a header what it saw last. */
function resumed(method: DescMethod, request: FastifyRequest): HttpRequest {
  const { params, query, body } = request as unknown as HttpRequest;
  const { lastEventField } = methodRules(method);
  const lastEventId = request.headers['last-event-id'];
  if (!lastEventField || typeof lastEventId !== 'string') return { params, query, body };
  return { params, body, query: { ...query, [lastEventField.jsonName]: lastEventId } };
}

/** The caller's name for a write that takes effect once, and the header that says so when it had. */
function writeOptions(method: DescMethod, { headers, id }: FastifyRequest, reply: FastifyReply): Pick<CallOptions, 'metadata' | 'onReplayed'> {
  const key = headers[idempotencyKeyHeader];
  if (key === undefined || !methodRules(method).isIdempotent) return {};
  return {
    metadata: new Map([['x-request-id', id], [idempotencyKeyHeader, checkIdempotencyKey(String(key))]]),
    onReplayed: () => void reply.header('idempotency-replayed', 'true'),
  };
}

/** Aborted when the client goes away before it has its answer. */
function signalOf({ raw }: FastifyReply): AbortSignal {
  const abort = new AbortController();
  raw.once('close', () => {
    if (!raw.writableFinished) abort.abort();
  });
  return abort.signal;
}
