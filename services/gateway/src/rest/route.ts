import { type DescField, type DescMessage, type DescMethod, type DescService, ScalarType } from '@bufbuild/protobuf';
import { methodRules } from '@touchstone/contracts';
import { RequestMethod } from '@nestjs/common';

/** A field of the request that stands in the path or in the query. */
export interface Parameter {
  /** Its public name: the last field's name in JSON. */
  readonly name: string;
  /** Fields from the request to the value; the last one is a scalar, an enum or (query only) a list of them. */
  readonly fields: readonly DescField[];
  /** Pointer to the value within the whole message. */
  readonly pointer: string;
}

/** One way to a method, as its `google.api.http` option says. */
export interface Route {
  readonly method: DescMethod;
  readonly verb: RequestMethod;
  /** The path with each variable as `{name}`, as OpenAPI writes it. */
  readonly template: string;
  /** The path as Fastify's router takes it. Ids hold no colon, so `{id}:cancel` is unambiguous. */
  readonly path: string;
  readonly pathParameters: readonly Parameter[];
  readonly queryParameters: readonly Parameter[];
  /** The field that is the body, `*` when all fields outside the path are, undefined when there is no body. */
  readonly body: DescField | '*' | undefined;
}

/** The routes of a service's methods, additional bindings too. @throws Error for what the gateway cannot show. */
export function routesOf(service: DescService): Route[] {
  return service.methods.flatMap((method) => {
    const { http } = methodRules(method);
    return http ? [http, ...http.additionalBindings].map((rule) => routeOf(method, rule)) : [];
  });
}

type HttpRule = NonNullable<ReturnType<typeof methodRules>['http']>;

const verbs = { get: RequestMethod.GET, put: RequestMethod.PUT, post: RequestMethod.POST, delete: RequestMethod.DELETE, patch: RequestMethod.PATCH };

function routeOf(method: DescMethod, rule: HttpRule): Route {
  const refuse = (why: string): never => {
    throw new Error(`${method.parent.typeName}.${method.name}: ${why}`);
  };
  const { case: verb, value: pattern } = rule.pattern;
  if (verb === undefined || verb === 'custom') return refuse('the HTTP rule has no verb that is supported');
  if (rule.responseBody !== '') refuse('response_body is not supported');
  if (method.methodKind !== 'unary' && verb !== 'get') refuse('a stream needs a GET, so that browsers can follow it');
  const hasBody = rule.body !== '';
  if (hasBody && (verb === 'get' || verb === 'delete')) refuse(`${verb} has no body`);

  const pathParameters: Parameter[] = [];
  for (const [, variable] of pattern.matchAll(/\{([^}]*)\}/g)) {
    if (!/^[a-z0-9_.]+$/.test(variable)) refuse(`{${variable}} is not supported in a path`);
    const parameter = parameterOf(resolve(method.input, variable.split('.')) ?? refuse(`{${variable}} is not a field`));
    if (!isText(parameter.fields.at(-1)!)) refuse(`{${variable}} is not a scalar`);
    if (pathParameters.some(({ name }) => name === parameter.name)) refuse(`two variables of the path are called ${parameter.name}`);
    pathParameters.push(parameter);
  }
  let index = 0;
  const template = pattern.replace(/\{[^}]*\}/g, () => `{${pathParameters[index++].name}}`);
  if (!/^(\/[A-Za-z0-9._~-]+|\/\{\w+\})+(:[a-z][A-Za-z]*)?$/.test(template)) {
    // A literal verb after a literal segment, as in `items:upsert`, is matched by the same rule.
    refuse(`the path ${pattern} is not supported`);
  }
  const path = template.replaceAll(':', '::').replace(/\{(\w+)\}/g, ':$1([^:/]+)');

  const body = rule.body === '*' ? '*' : hasBody ? (resolve(method.input, [rule.body])?.[0] ?? refuse(`body ${rule.body} is not a field`)) : undefined;
  if (body !== undefined && body !== '*' && body.fieldKind !== 'message') refuse(`body ${rule.body} is not a message`);
  const queryParameters = body === '*' ? [] : queryOf(method.input, [], pathParameters, body, refuse);
  return { method, verb: verbs[verb], template, path, pathParameters, queryParameters, body };
}

/** Every field that is neither in the path nor the body; fields of messages have dotted names. */
function queryOf(
  message: DescMessage,
  above: readonly DescField[],
  taken: readonly Parameter[],
  body: DescField | undefined,
  refuse: (why: string) => never,
): Parameter[] {
  return message.fields.flatMap((field) => {
    const fields = [...above, field];
    const parameter = { ...parameterOf(fields), name: fields.map(({ jsonName }) => jsonName).join('.') };
    if (field === body || taken.some(({ pointer }) => pointer === parameter.pointer)) return [];
    if (isText(field) || (field.fieldKind === 'list' && field.listKind !== 'message')) return [parameter];
    if (field.fieldKind !== 'message') return refuse(`${field.name} cannot be written in a query`);
    if (isTextMessage(field.message)) return [parameter];
    if (above.some((outer) => outer.message === field.message)) return refuse(`${field.name} contains itself and cannot be written in a query`);
    return queryOf(field.message, fields, taken, body, refuse);
  });
}

function parameterOf(fields: readonly DescField[]): Parameter {
  return { name: fields.at(-1)!.jsonName, fields, pointer: fields.map(({ jsonName }) => `/${jsonName}`).join('') };
}

function resolve(message: DescMessage, names: readonly string[]): DescField[] | undefined {
  const field = message.fields.find(({ name }) => name === names[0]);
  if (!field || names.length === 1) return field && [field];
  const inner = field.fieldKind === 'message' ? resolve(field.message, names.slice(1)) : undefined;
  return inner && [field, ...inner];
}

const isText = (field: DescField) => field.fieldKind === 'scalar' || field.fieldKind === 'enum';
const isTextMessage = ({ typeName }: DescMessage) => typeName === 'google.protobuf.Timestamp';

/** Whether a parameter's text is a number in JSON. */
export function isNumber({ scalar }: DescField): boolean {
  return scalar !== undefined && numbers.has(scalar);
}

const numbers = new Set([
  ScalarType.DOUBLE, ScalarType.FLOAT, ScalarType.INT32, ScalarType.SINT32, ScalarType.SFIXED32, ScalarType.UINT32, ScalarType.FIXED32,
]);
