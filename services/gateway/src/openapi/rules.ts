import { type DescField, getOption, hasOption, isFieldSet, type Message, ScalarType } from '@bufbuild/protobuf';
import { field as fieldRules, type FieldRules, FieldRulesSchema } from '@touchstone/contracts/gen/buf/validate/validate_pb';
import { reflect } from '@bufbuild/protobuf/reflect';

export type JsonSchema = Record<string, unknown>;

export function rulesOf(field: DescField): FieldRules | undefined {
  return hasOption(field, fieldRules) ? getOption(field, fieldRules) : undefined;
}

/**
 * The rules of a value as keywords of JSON Schema.
 *
 * @throws Error for a rule that has no keyword here, so that no rule is silently missing from the description.
 */
export function keywordsOf(rules: FieldRules | undefined): JsonSchema {
  const { type } = rules ?? {};
  if (!type?.value) return {};
  const keywords: JsonSchema = {};
  for (const [name, value] of rulesSet(type.value)) {
    if (type.case === 'bytes') Object.assign(keywords, bytesKeyword(name, Number(value)));
    else if ((type.case === 'repeated' && name === 'items') || (type.case === 'map' && name === 'keys')) continue; // the element's own
    else Object.assign(keywords, keyword(name, value) ?? refuse(`${type.case}.${name}`));
  }
  return keywords;
}

/** Whether the rules refuse the zero value, which stands for an absent field: then the field is required. */
export function refusesAbsence(rules: FieldRules | undefined): boolean {
  if (!rules) return false;
  if (rules.required) return true;
  const { minLength = 0, minItems = 0, pattern, minimum = 0, maximum = 0, exclusiveMinimum = -1, enum: values } = keywordsOf(rules) as {
    minLength?: number; minItems?: number; pattern?: string; minimum?: number; maximum?: number; exclusiveMinimum?: number; enum?: unknown[];
  };
  if (minLength > 0 || minItems > 0 || minimum > 0 || maximum < 0 || exclusiveMinimum >= 0) return true;
  if (values && !values.includes('') && !values.includes(0)) return true;
  return pattern !== undefined && rules.type.case === 'string' && !new RegExp(pattern, 'u').test('');
}

function keyword(name: string, value: unknown): JsonSchema | undefined {
  switch (name) {
    case 'min_len':
      return { minLength: Number(value) };
    case 'max_len':
      return { maxLength: Number(value) };
    case 'len':
      return { minLength: Number(value), maxLength: Number(value) };
    case 'pattern':
      return { pattern: value };
    case 'const':
      return { const: value };
    case 'in':
      return { enum: [...(value as Iterable<unknown>)] };
    case 'gte':
      return { minimum: Number(value) };
    case 'gt':
      return { exclusiveMinimum: Number(value) };
    case 'lte':
      return { maximum: Number(value) };
    case 'lt':
      return { exclusiveMaximum: Number(value) };
    case 'finite':
      return {}; // JSON has no other numbers
    case 'min_items':
      return { minItems: Number(value) };
    case 'max_items':
      return { maxItems: Number(value) };
    case 'unique':
      return { uniqueItems: true };
    case 'min_pairs':
      return { minProperties: Number(value) };
    case 'max_pairs':
      return { maxProperties: Number(value) };
    case 'uuid':
      return { format: 'uuid' };
    default:
      return undefined;
  }
}

/** Lengths of bytes as lengths of base64 with padding. */
function bytesKeyword(name: string, length: number): JsonSchema {
  const encoded = Math.ceil(length / 3) * 4;
  if (name === 'min_len') return { minLength: encoded };
  if (name === 'max_len') return { maxLength: encoded };
  return refuse(`bytes.${name}`);
}

function refuse(rule: string): never {
  throw new Error(`The rule ${rule} has no counterpart in the OpenAPI document yet: add it in rules.ts.`);
}

function rulesSet(rules: Message): [string, unknown][] {
  const schema = FieldRulesSchema.fields.find(({ message }) => message?.typeName === rules.$typeName)!.message!;
  const reflected = reflect(schema, rules);
  return schema.fields.filter((field) => isFieldSet(rules, field)).map((field) => [field.name, reflected.get(field)]);
}

/** What a value of a scalar type is in strict ProtoJSON. */
export function scalarSchema(type: ScalarType): JsonSchema {
  switch (type) {
    case ScalarType.STRING:
      return { type: 'string' };
    case ScalarType.BOOL:
      return { type: 'boolean' };
    case ScalarType.DOUBLE:
      return { type: 'number', format: 'double' };
    case ScalarType.FLOAT:
      return { type: 'number', format: 'float', minimum: -3.4028234663852886e38, maximum: 3.4028234663852886e38 };
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return { type: 'integer', format: 'int32', minimum: -(2 ** 31), maximum: 2 ** 31 - 1 };
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return { type: 'integer', minimum: 0, maximum: 2 ** 32 - 1 };
    case ScalarType.BYTES:
      return { type: 'string', contentEncoding: 'base64', pattern: '^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$' };
    default:
      return { type: 'string', format: 'int64', pattern: '^(0|-?[1-9][0-9]{0,18})$' };
  }
}
