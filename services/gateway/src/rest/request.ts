import { type DescField, fromJson, type JsonValue, type Message, ScalarType } from '@bufbuild/protobuf';
import { Problem, Reason, type Violation } from '@touchstone/contracts';
import { withoutRefusedTokens } from './problem-document.ts';
import { isNumber, type Parameter, type Route } from './route.ts';
import { strictJsonCheck } from './strict-json.ts';

/** What a request of HTTP says, parsed but not believed. */
export interface HttpRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | string[]>>;
  /** JSON; undefined when there was no body. */
  readonly body: unknown;
}

type JsonObject = Record<string, unknown>;

/**
 * Makes requests of HTTP into a route's message.
 *
 * @returns a function that throws INVALID_REQUEST, each violation with the pointer or parameter it is about.
 */
export function requestReader(route: Route): (request: HttpRequest) => Message {
  const check = strictJsonCheck(route.method.input);
  const byName = new Map(route.queryParameters.map((parameter) => [parameter.name, parameter]));
  const { body, method, pathParameters } = route;

  return (request) => {
    if (body !== undefined && request.body === undefined) throw invalid([{ pointer: '', detail: 'a JSON body is needed' }]);
    const violations: Violation[] = [];
    const json = body === '*' ? request.body : body ? { [body.jsonName]: request.body } : {};
    if (isObject(json)) {
      for (const parameter of pathParameters) {
        if (valueAt(json, parameter) !== undefined) violations.push({ pointer: inBody(route, parameter.pointer), detail: 'stands in the path, not in the body' });
        else put(json, parameter, textToJson(parameter.fields.at(-1)!, request.params[parameter.name]));
      }
      for (const name in request.query) {
        const parameter = byName.get(name);
        if (parameter) put(json, parameter, queryToJson(parameter.fields.at(-1)!, request.query[name]));
        else violations.push({ parameter: name.slice(0, 100), detail: 'this parameter is not known here' });
      }
    }
    for (const violation of check(json)) violations.push(toPublic(route, violation));
    if (violations.length > 0) throw invalid(violations);
    return fromJson(method.input, json as JsonValue, { recursionLimit: 1_000 }) as Message;
  };
}

/** The problem as the caller sees it: pointers into the body that was sent, names of parameters for the rest. */
export function publicProblem(route: Route, found: Problem): Problem {
  const problem = withoutRefusedTokens(found);
  if (problem.violations.length === 0) return problem;
  const violations = problem.violations.map((violation) => toPublic(route, violation));
  return new Problem({ ...problem, violations }, { cause: problem.cause });
}

function toPublic(route: Route, violation: Violation): Violation {
  const { pointer, detail } = violation;
  if (pointer === undefined) return violation;
  const parameter = [...route.pathParameters, ...route.queryParameters].find((each) => isWithin(pointer, each.pointer));
  return parameter ? { parameter: parameter.name, detail } : { pointer: inBody(route, pointer), detail };
}

function inBody({ body }: Route, pointer: string): string {
  if (body === undefined || body === '*' || !isWithin(pointer, `/${body.jsonName}`)) return pointer;
  return pointer.slice(body.jsonName.length + 1);
}

function isWithin(pointer: string, outer: string): boolean {
  return pointer.startsWith(outer) && (pointer.length === outer.length || pointer[outer.length] === '/');
}

function invalid(violations: Violation[]): Problem {
  return new Problem({ reason: Reason.INVALID_REQUEST, detail: 'The request is not what the contract describes.', violations });
}

function queryToJson(field: DescField, value: string | string[]): unknown {
  if (field.fieldKind !== 'list') return Array.isArray(value) ? value : textToJson(field, value);
  return (Array.isArray(value) ? value : [value]).map((text) => textToJson(field, text));
}

const jsonNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** Text that does not fit its field stays text, and the check refuses it. */
function textToJson(field: DescField, text: string): unknown {
  if (isNumber(field)) return jsonNumber.test(text) ? Number(text) : text;
  if (field.scalar === ScalarType.BOOL && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

function valueAt(json: JsonObject, { fields }: Parameter): unknown {
  return fields.reduce<unknown>((at, { jsonName }) => (isObject(at) && Object.hasOwn(at, jsonName) ? at[jsonName] : undefined), json);
}

function put(json: JsonObject, { fields }: Parameter, value: unknown): void {
  let at = json;
  for (const { jsonName } of fields.slice(0, -1)) {
    if (!Object.hasOwn(at, jsonName)) at[jsonName] = {};
    const inner = at[jsonName];
    if (!isObject(inner)) return; // the check refuses what stands here, null too
    at = inner;
  }
  at[fields.at(-1)!.jsonName] = value;
}

function isObject(json: unknown): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}
