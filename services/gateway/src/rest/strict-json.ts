import { type DescEnum, type DescField, type DescMessage, type DescOneof, ScalarType } from '@bufbuild/protobuf';
import type { Violation } from '@touchstone/contracts';

/** Deepest nesting of objects and lists in a request; both transports carry it. */
export const maximumDepth = 32;
/** More violations than this are not collected: one broken habit of a caller would repeat in every element. */
const maximumViolations = 20;

/** Where the check is: a list from the leaf to the root, so that valid input builds no strings. */
interface Place {
  readonly parent: Place | undefined;
  readonly key: string | number;
  readonly depth: number;
}

type Check = (json: unknown, place: Place, found: Violation[]) => void;

/**
 * Checks JSON against a message of the contract in the strict form that OpenAPI shows. `fromJson` alone takes `null`,
 * numbers in strings, snake_case names and enum numbers too, and names no place when it refuses.
 *
 * Free values (`google.protobuf.Struct`, `Value`, `ListValue`) may hold `null`; nothing else may.
 *
 * @returns what is wrong, each with a JSON pointer from the root; empty when `fromJson` will take it.
 */
export function strictJsonCheck(schema: DescMessage): (json: unknown) => Violation[] {
  const check = messageCheck(schema);
  const root: Place = { parent: undefined, key: '', depth: 0 };
  return (json) => {
    const found: Violation[] = [];
    check(json, root, found);
    return found;
  };
}

const compiled = new WeakMap<DescMessage, Check>();

function messageCheck(schema: DescMessage): Check {
  const wellKnown = wellKnownChecks[schema.typeName];
  if (wellKnown) return wellKnown;
  if (schema.typeName.startsWith('google.protobuf.')) throw new Error(`${schema.typeName} is not supported in requests`);
  let check = compiled.get(schema);
  if (!check) {
    const fields = new Map<string, { field: DescField; check: Check }>();
    check = objectCheck(fields);
    compiled.set(schema, check); // before its fields: messages may contain themselves
    for (const field of schema.fields) fields.set(field.jsonName, { field, check: fieldCheck(field) });
  }
  return check;
}

function objectCheck(fields: ReadonlyMap<string, { field: DescField; check: Check }>): Check {
  return (json, place, found) => {
    if (!isObject(json)) return report(found, place, `expected an object, got ${nameOf(json)}`);
    if (place.depth >= maximumDepth) return tooDeep(found, place);
    let oneofs: Set<DescOneof> | undefined;
    for (const key of Object.keys(json)) {
      const inner = { parent: place, key, depth: place.depth + 1 };
      const entry = fields.get(key);
      if (!entry) {
        report(found, inner, `${JSON.stringify(key.slice(0, 100))} is not known here`);
        continue;
      }
      const { oneof } = entry.field;
      if (oneof) {
        if (oneofs?.has(oneof)) report(found, inner, `only one of ${oneof.fields.map(({ jsonName }) => jsonName).join(', ')} may be set`);
        (oneofs ??= new Set()).add(oneof);
      }
      entry.check(json[key], inner, found);
    }
  };
}

function fieldCheck(field: DescField): Check {
  switch (field.fieldKind) {
    case 'scalar':
      return scalarCheck(field.scalar);
    case 'enum':
      return enumCheck(field.enum);
    case 'message':
      return messageCheck(field.message);
    case 'list':
      return listCheck(elementCheck(field));
    case 'map':
      if (field.mapKey !== ScalarType.STRING) throw new Error(`${String(field)}: only maps with strings as keys are supported`);
      return mapCheck(elementCheck(field));
  }
}

function elementCheck(field: DescField & { fieldKind: 'list' | 'map' }): Check {
  if (field.scalar !== undefined) return scalarCheck(field.scalar);
  return field.enum ? enumCheck(field.enum) : messageCheck(field.message!);
}

function listCheck(element: Check): Check {
  return (json, place, found) => {
    if (!Array.isArray(json)) return report(found, place, `expected a list, got ${nameOf(json)}`);
    if (place.depth >= maximumDepth) return tooDeep(found, place);
    for (let index = 0; index < json.length && found.length < maximumViolations; index++) {
      element(json[index], { parent: place, key: index, depth: place.depth + 1 }, found);
    }
  };
}

function mapCheck(element: Check): Check {
  return (json, place, found) => {
    if (!isObject(json)) return report(found, place, `expected an object, got ${nameOf(json)}`);
    if (place.depth >= maximumDepth) return tooDeep(found, place);
    for (const [key, value] of Object.entries(json)) {
      const inner = { parent: place, key, depth: place.depth + 1 };
      checkKey(key, inner, found);
      element(value, inner, found);
    }
  };
}

const maximumFloat = 3.4028234663852886e38;

function scalarCheck(type: ScalarType): Check {
  switch (type) {
    case ScalarType.STRING:
      return checkString;
    case ScalarType.BOOL:
      return (json, place, found) => {
        if (typeof json !== 'boolean') report(found, place, `expected true or false, got ${nameOf(json)}`);
      };
    case ScalarType.DOUBLE:
      return numberCheck(-Number.MAX_VALUE, Number.MAX_VALUE);
    case ScalarType.FLOAT:
      return numberCheck(-maximumFloat, maximumFloat);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return integerCheck(-(2 ** 31), 2 ** 31 - 1);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return integerCheck(0, 2 ** 32 - 1);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return longCheck(-(2n ** 63n), 2n ** 63n - 1n);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return longCheck(0n, 2n ** 64n - 1n);
    case ScalarType.BYTES:
      return (json, place, found) => {
        if (typeof json !== 'string') report(found, place, `expected base64, got ${nameOf(json)}`);
        else if (json.length % 4 !== 0 || !base64.test(json)) report(found, place, 'expected base64 with padding');
      };
  }
}

export const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

function numberCheck(minimum: number, maximum: number): Check {
  return (json, place, found) => {
    if (typeof json !== 'number') report(found, place, `expected a number, got ${nameOf(json)}`);
    else if (!(json >= minimum && json <= maximum)) report(found, place, `expected a number from ${minimum} to ${maximum}`);
  };
}

function integerCheck(minimum: number, maximum: number): Check {
  return (json, place, found) => {
    if (typeof json !== 'number') report(found, place, `expected an integer, got ${nameOf(json)}`);
    else if (!Number.isInteger(json) || json < minimum || json > maximum) {
      report(found, place, `expected an integer from ${minimum} to ${maximum}`);
    }
  };
}

function longCheck(minimum: bigint, maximum: bigint): Check {
  return (json, place, found) => {
    const isLong = typeof json === 'string' && /^(0|-?[1-9][0-9]{0,19})$/.test(json);
    if (!isLong || BigInt(json) < minimum || BigInt(json) > maximum) report(found, place, 'expected a 64-bit integer as a string');
  };
}

function enumCheck(schema: DescEnum): Check {
  const names = new Set(schema.values.map(({ jsonName }) => jsonName));
  return (json, place, found) => {
    if (typeof json !== 'string' || !names.has(json)) report(found, place, `expected one of ${[...names].join(', ')}`);
  };
}

function checkString(json: unknown, place: Place, found: Violation[]): void {
  if (typeof json !== 'string') report(found, place, `expected a string, got ${nameOf(json)}`);
  else if (!json.isWellFormed()) report(found, place, 'holds half of a surrogate pair');
  else if (json.includes('\0')) report(found, place, 'holds the character U+0000');
}

function checkKey(key: string, place: Place, found: Violation[]): void {
  checkString(key, place, found);
  if (key === '__proto__') report(found, place, 'the name __proto__ is not allowed');
}

const checkFreeObject: Check = (json, place, found) => {
  if (!isObject(json)) report(found, place, `expected an object, got ${nameOf(json)}`);
  else checkFreeValue(json, place, found);
};

function checkFreeValue(json: unknown, place: Place, found: Violation[]): void {
  if (typeof json === 'string') return checkString(json, place, found);
  if (typeof json === 'number' && !Number.isFinite(json)) return report(found, place, 'expected a number that fits 64 bits');
  if (typeof json !== 'object' || json === null) return;
  if (place.depth >= maximumDepth) return tooDeep(found, place);
  if (Array.isArray(json)) {
    json.forEach((value, index) => checkFreeValue(value, { parent: place, key: index, depth: place.depth + 1 }, found));
    return;
  }
  for (const [key, value] of Object.entries(json)) {
    const inner = { parent: place, key, depth: place.depth + 1 };
    checkKey(key, inner, found);
    checkFreeValue(value, inner, found);
  }
}

const wellKnownChecks: Record<string, Check | undefined> = {
  'google.protobuf.Struct': checkFreeObject,
  'google.protobuf.Value': checkFreeValue,
  'google.protobuf.ListValue': (json, place, found) => {
    if (!Array.isArray(json)) report(found, place, `expected a list, got ${nameOf(json)}`);
    else checkFreeValue(json, place, found);
  },
  'google.protobuf.Timestamp': (json, place, found) => {
    const isTime = typeof json === 'string' && timestamp.test(json) && Number.isFinite(Date.parse(json));
    if (!isTime) report(found, place, 'expected a time as in 2026-01-31T12:00:00Z');
  },
};

const timestamp = /^(?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function nameOf(json: unknown): string {
  if (json === null) return 'null';
  if (Array.isArray(json)) return 'a list';
  return typeof json === 'object' ? 'an object' : `a ${typeof json}`;
}

function tooDeep(found: Violation[], place: Place): void {
  report(found, place, `is nested deeper than ${maximumDepth} levels`);
}

function report(found: Violation[], place: Place, detail: string): void {
  if (found.length < maximumViolations) found.push({ pointer: pointerOf(place), detail });
}

function pointerOf({ parent, key }: Place): string {
  if (!parent) return '';
  return `${pointerOf(parent)}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
