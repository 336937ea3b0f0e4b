import type { DescField, DescMessage, DescService, FileRegistry } from '@bufbuild/protobuf';
import { methodRules, reasonPolicy } from '@touchstone/contracts';
import { HttpBodySchema } from '@touchstone/contracts/gen/google/api/httpbody_pb';
import { ReasonSchema } from '@touchstone/contracts/gen/touchstone/api/v1/problem_pb';
import { RequestMethod } from '@nestjs/common';
import { type Parameter, type Route, routesOf } from '../rest/route.ts';
import type { JsonSchema } from './rules.ts';
import { commentOf, Schemas } from './schemas.ts';

/** Operations by path and verb that no contract carries. @param problems references to the problems that any may answer. */
export type PathsByHand = (problems: (hasBody: boolean) => object) => Readonly<Record<string, Readonly<Record<string, object>>>>;

/**
 * The OpenAPI 3.1 description of services.
 *
 * @param registry of an image with source information: comments become descriptions.
 * @param typeNames services, in the order in which they are to stand.
 * @param byHand routes of ordinary controllers.
 */
export function openApiDocument(registry: FileRegistry, typeNames: readonly string[], byHand: readonly PathsByHand[] = []): object {
  const services = typeNames.map((name) => registry.getService(name) ?? refuse(`There is no service ${name}`));
  const routes = services.map((service) => routesOf(service));
  const schemas = new Schemas(bothWays(routes.flat()));
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes.flat()) {
    (paths[route.template] ??= {})[RequestMethod[route.verb].toLowerCase()] = operation(route, schemas);
  }
  for (const [path, item] of byHand.flatMap((written) => Object.entries(written(problemReferences)))) paths[path] = { ...paths[path], ...item };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Touchstone API',
      version: 'v1',
      description: 'Finds similar items, judges generated content, ranks translations. Generated from `proto/`; do not edit.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ key: [] }],
    tags: services.map((service) => ({ name: service.name, description: commentOf(service) })),
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer', bearerFormat: 'ts_live_…', description: 'A key, made by `touchstone keys create`.' } },
      schemas: { ...schemas.components, Problem: problemSchema, Violation: violationSchema },
      responses: problemResponses,
    },
  };
}

function operation(route: Route, schemas: Schemas): object {
  const { method, body } = route;
  const { scope, successStatus, isIdempotent, lastEventField } = methodRules(method);
  const [summary, ...details] = commentOf(method).split(/(?<=\.) /);
  const parameters = [
    ...route.pathParameters.map((parameter) => ({ ...describe(parameter, schemas), in: 'path', required: true })),
    ...route.queryParameters.map((parameter) => ({ ...describe(parameter, schemas), in: 'query' })),
    ...(isIdempotent ? [idempotencyKey] : []),
    ...(lastEventField ? [lastEventId(lastEventField)] : []),
  ];
  return {
    operationId: operationId(route),
    tags: [method.parent.name],
    summary: summary.replace(/\.$/, ''),
    description: [...details, `Needs a key with the scope \`${scope}\`.`].join(' '),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: { required: true, content: { 'application/json': { schema: bodySchema(route, schemas) } } } } : {}),
    responses: { [successStatus]: success(route, schemas), ...problemReferences(body !== undefined) },
  };
}

const lastEventId = ({ jsonName }: DescField) => ({
  name: 'Last-Event-ID',
  in: 'header',
  description: `The \`id\` of the last event that was seen; takes the place of \`${jsonName}\`. Browsers send it when they connect again.`,
  schema: { type: 'string' },
});

const idempotencyKey = {
  name: 'Idempotency-Key',
  in: 'header',
  description:
    'The caller’s name for this write, unique within the tenant. Sent again within 24 hours it takes no effect and has the first answer, with `Idempotency-Replayed: true`; another request under the same name is refused (422).',
  schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[ -~]*$' },
};

/** Unique also for the second path of a method. */
function operationId({ method, template }: Route): string {
  const { http } = methodRules(method);
  const isFirst = routesOf(method.parent).find((route) => route.method === method)?.template === template;
  return isFirst || !http ? `${method.parent.name}.${method.name}` : `${method.parent.name}.${method.name}:${template}`;
}

function describe({ name, fields }: Parameter, schemas: Schemas): object {
  const { description, ...schema } = schemas.field(fields.at(-1)!, 'request');
  return { name, description, schema };
}

function bodySchema({ method, body, pathParameters }: Route, schemas: Schemas): JsonSchema {
  if (body === '*') return schemas.message(method.input, 'request', pathParameters.map(({ fields }) => fields[0]));
  const within = pathParameters.filter(({ fields }) => fields[0] === body).map(({ fields }) => fields[1]);
  return schemas.message(body!.message!, 'request', within, within.map(({ name }) => `Without${name[0].toUpperCase()}${name.slice(1)}`).join(''));
}

function success({ method }: Route, schemas: Schemas): object {
  if (method.output.typeName === HttpBodySchema.typeName) return { description: 'The bytes.', content: { '*/*': { schema: { type: 'string', format: 'binary' } } } };
  const schema = schemas.message(method.output, 'answer');
  const description = commentOf(method.output);
  if (method.methodKind === 'unary') return { description, content: { 'application/json': { schema } } };
  const event = {
    type: 'object',
    description: 'A server-sent event. `problem` ends a stream that fails; its data is a Problem.',
    properties: {
      event: { type: 'string', enum: [...(method.output.oneofs[0]?.fields.map(({ jsonName }) => jsonName) ?? []), 'problem'] },
      id: { type: 'string', description: 'Position in the stream.' },
      data: { type: 'string', contentMediaType: 'application/json', contentSchema: { anyOf: [schema, { $ref: '#/components/schemas/Problem' }] } },
    },
    required: ['data'],
  };
  return { description, content: { 'text/event-stream': { schema: event } } };
}

function bothWays(routes: readonly Route[]): Set<DescMessage> {
  const asked = new Set<DescMessage>();
  const answered = new Set<DescMessage>();
  for (const { method } of routes) {
    reach(method.input, asked);
    reach(method.output, answered);
  }
  return new Set([...asked].filter((message) => answered.has(message)));
}

function reach(message: DescMessage, found: Set<DescMessage>): void {
  if (found.has(message)) return;
  found.add(message);
  for (const field of message.fields) if (field.message) reach(field.message, found);
}

/** The platform's reasons by their status; 499 is never sent, nobody is there to read it. */
const reasonsByStatus = Map.groupBy(
  ReasonSchema.values.map(({ number }) => reasonPolicy(number)).filter(({ httpStatus }) => httpStatus !== 499),
  ({ httpStatus }) => httpStatus,
);
const statuses = [...reasonsByStatus.keys()].sort((a, b) => a - b);

const problemResponses = Object.fromEntries(
  statuses.map((status) => [
    `Problem${status}`,
    {
      description: `${reasonsByStatus.get(status)!.map(({ title }) => title).join('; ')}.`,
      headers: {
        'X-Request-Id': { description: 'The id of the request, for the operator’s logs.', schema: { type: 'string' } },
        ...(status === 429 || status === 503 || status === 504 ? { 'Retry-After': { description: 'Seconds after which to try again.', schema: { type: 'string' } } } : {}),
      },
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  ]),
);

const ofBodies = new Set([413, 415]);
/** Only routes that are written by hand answer these. */
const ofBytes = new Set([416]);

function problemReferences(hasBody: boolean): object {
  const shown = statuses.filter((status) => !ofBytes.has(status) && (hasBody || !ofBodies.has(status)));
  return Object.fromEntries(shown.map((status) => [status, { $ref: `#/components/responses/Problem${status}` }]));
}

const violationSchema = {
  type: 'object',
  description: 'One part of the request that broke a rule.',
  properties: {
    pointer: { type: 'string', description: 'JSON pointer into the body (RFC 6901).' },
    parameter: { type: 'string', description: 'Name of the path or query parameter, when it is not in the body.' },
    detail: { type: 'string', description: 'What was expected and what came.' },
  },
  required: ['detail'],
  additionalProperties: false,
};

const problemSchema = {
  type: 'object',
  description: 'What went wrong (RFC 9457).',
  properties: {
    type: { type: 'string', description: '`/problems/` and the reason.', pattern: '^/problems/[a-z-]+$' },
    title: { type: 'string', description: 'The same sentence for every occurrence.' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What happened this time.' },
    instance: { type: 'string', description: 'The id of the request.' },
    violations: { type: 'array', items: { $ref: '#/components/schemas/Violation' } },
    retryAfterSeconds: { type: 'integer', description: 'When to try again; absent when trying again does not help.' },
    error: {
      type: 'object',
      description: 'The same as clients of OpenAI read it; at `/v1/embeddings` only.',
      properties: { message: { type: 'string' }, type: { type: 'string' }, param: { type: ['string', 'null'] }, code: { type: 'string' } },
      required: ['message', 'type', 'param', 'code'],
      additionalProperties: false,
    },
  },
  required: ['type', 'title', 'status', 'detail', 'violations'],
  additionalProperties: false,
};

function refuse(why: string): DescService {
  throw new Error(why);
}
