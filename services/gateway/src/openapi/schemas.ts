import { type DescField, type DescMessage, type DescOneof, getOption, hasOption, ScalarType } from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import { getComments } from '@bufbuild/protoplugin';
import { message as messageRules, oneof as oneofRules } from '@touchstone/contracts/gen/buf/validate/validate_pb';
import { type JsonSchema, keywordsOf, refusesAbsence, rulesOf, scalarSchema } from './rules.ts';

/** Requests obey rules; answers have every field that is not optional. */
export type Direction = 'request' | 'answer';

/** The messages of the contracts as components of an OpenAPI document. */
export class Schemas {
  readonly components: Record<string, JsonSchema> = {};
  private readonly owners = new Map<string, string>();

  /** @param bothWays messages that occur in requests and in answers; the request's form is called `<name>Input`. */
  constructor(private readonly bothWays: ReadonlySet<DescMessage>) {}

  /** A message, by reference. @param omitted fields that stand in the path. @param suffix tells its name from the whole message's. */
  message(message: DescMessage, direction: Direction, omitted: readonly DescField[] = [], suffix = ''): JsonSchema {
    const wellKnown = wellKnownSchemas[message.typeName];
    if (wellKnown) {
      if (direction === 'answer') return wellKnown;
      if (message.typeName !== 'google.protobuf.Timestamp') this.components.FreeValue = freeValue;
      return { ...wellKnown, ...freeKeywords[message.typeName] };
    }
    const name = `${message.name}${direction === 'request' && this.bothWays.has(message) ? 'Input' : ''}${suffix}`;
    const identity = `${message.typeName} ${direction} ${omitted.map((field) => field.name).join(' ')}`;
    if (!this.components[name]) {
      this.owners.set(name, identity);
      this.components[name] = {}; // its place, should the message contain itself
      Object.assign(this.components[name], this.object(message, direction, omitted));
    }
    if (this.owners.get(name) !== identity) throw new Error(`Two components would be called ${name}: ${this.owners.get(name)} and ${identity}`);
    return { $ref: `#/components/schemas/${name}` };
  }

  /** A field's value with its rules and its comment. */
  field(field: DescField, direction: Direction): JsonSchema {
    const description = commentOf(field);
    const rules = rulesOf(field);
    switch (field.fieldKind) {
      case 'scalar':
        return { ...scalarWithRules(field.scalar, direction, keywordsOf(rules)), description };
      case 'enum':
        return { type: 'string', enum: field.enum.values.map(({ jsonName }) => jsonName), description };
      case 'message':
        return { ...this.message(field.message, direction), description };
      case 'list': {
        const itemRules = rules?.type.case === 'repeated' ? rules.type.value.items : undefined;
        return { type: 'array', items: this.element(field, direction, keywordsOf(itemRules)), ...keywordsOf(rules), description };
      }
      case 'map': {
        const keyRules = rules?.type.case === 'map' ? rules.type.value.keys : undefined;
        const names = keyRules ? { propertyNames: keywordsOf(keyRules) } : {};
        return { type: 'object', ...names, additionalProperties: this.element(field, direction, {}), ...keywordsOf(rules), description };
      }
    }
  }

  private element(field: DescField & { fieldKind: 'list' | 'map' }, direction: Direction, keywords: JsonSchema): JsonSchema {
    if (field.scalar !== undefined) return scalarWithRules(field.scalar, direction, keywords);
    return field.enum ? { type: 'string', enum: field.enum.values.map(({ jsonName }) => jsonName) } : this.message(field.message!, direction);
  }

  private object(message: DescMessage, direction: Direction, omitted: readonly DescField[]): JsonSchema {
    const fields = message.fields.filter((field) => !omitted.includes(field));
    const required = fields.filter(direction === 'request' ? isDemanded : isAlwaysThere).map(({ jsonName }) => jsonName);
    const choices = choicesOf(message);
    return {
      type: 'object',
      description: commentOf(message),
      properties: Object.fromEntries(fields.map((field) => [field.jsonName, withChoice(this.field(field, direction), field, choices)])),
      ...(required.length > 0 ? { required } : {}),
      ...choiceKeywords(choices),
      additionalProperties: false,
    };
  }
}

function scalarWithRules(type: ScalarType, direction: Direction, keywords: JsonSchema): JsonSchema {
  const { minimum, maximum, ...answered } = scalarSchema(type); // in an answer the format says as much
  const schema: JsonSchema = { ...answered, ...(direction === 'request' && minimum !== undefined ? { minimum, maximum } : {}), ...keywords };
  const isFreeText = type === ScalarType.STRING && direction === 'request' && !schema.pattern && !schema.enum && !schema.const;
  return isFreeText ? { ...schema, pattern: freeText } : schema;
}

/** In requests: what would break a rule by being absent. An optional field that is absent is not checked. */
function isDemanded(field: DescField): boolean {
  if (field.oneof) return false;
  const rules = rulesOf(field);
  const isZeroWhenAbsent = field.fieldKind === 'list' || field.presence === FeatureSet_FieldPresence.IMPLICIT;
  return isZeroWhenAbsent ? refusesAbsence(rules) : (rules?.required ?? false);
}

/** In answers zeros and empty lists are written, absent optional fields and messages are not. */
function isAlwaysThere(field: DescField): boolean {
  if (field.oneof) return false;
  return field.fieldKind === 'list' || field.fieldKind === 'map' || field.presence === FeatureSet_FieldPresence.IMPLICIT;
}

interface Choice {
  readonly fields: readonly DescField[];
  readonly isRequired: boolean;
}

/** Oneofs, and the groups of which a rule of the message lets one be set. */
function choicesOf(message: DescMessage): Choice[] {
  const oneofs = message.oneofs.map((oneof: DescOneof) => ({
    fields: oneof.fields,
    isRequired: hasOption(oneof, oneofRules) && getOption(oneof, oneofRules).required,
  }));
  const groups = hasOption(message, messageRules) ? getOption(message, messageRules).oneof : [];
  return [
    ...oneofs,
    ...groups.map(({ fields, required }) => ({
      fields: fields.map((name) => message.fields.find((field) => field.name === name)!),
      isRequired: required,
    })),
  ];
}

/** An empty list counts as not set, so within a choice it is not offered. */
function withChoice(schema: JsonSchema, field: DescField, choices: readonly Choice[]): JsonSchema {
  const isChoice = field.fieldKind === 'list' && choices.some(({ fields }) => fields.includes(field));
  return isChoice ? { ...schema, minItems: Math.max(1, (schema.minItems as number | undefined) ?? 0) } : schema;
}

function choiceKeywords(choices: readonly Choice[]): JsonSchema {
  const alternatives = choices.map(({ fields, isRequired }) => {
    const each: JsonSchema[] = fields.map(({ jsonName }) => ({ required: [jsonName] }));
    return { oneOf: isRequired ? each : [...each, { not: { anyOf: each } }] };
  });
  if (alternatives.length <= 1) return alternatives[0] ?? {};
  return { allOf: alternatives };
}

const wellKnownSchemas: Record<string, JsonSchema | undefined> = {
  'google.protobuf.Struct': { type: 'object', additionalProperties: true },
  'google.protobuf.Value': {},
  'google.protobuf.ListValue': { type: 'array', items: {} },
  'google.protobuf.Timestamp': { type: 'string', format: 'date-time' },
};

/** PostgreSQL stores no U+0000, so the gateway takes none. */
const freeText = '^[^\\u0000]*$';

/** Any JSON that the gateway takes: keywords for strings, lists and objects say nothing about other types. */
const free = { $ref: '#/components/schemas/FreeValue' };
const objects = { propertyNames: { pattern: freeText, not: { const: '__proto__' } }, additionalProperties: free };
const freeValue: JsonSchema = { description: 'Any JSON, nested at most 32 levels deep.', pattern: freeText, items: free, ...objects };
const freeKeywords: Record<string, JsonSchema | undefined> = {
  'google.protobuf.Struct': objects,
  'google.protobuf.Value': free,
  'google.protobuf.ListValue': { items: free },
};

/** The comment above a declaration, its lines joined. */
export function commentOf(desc: Parameters<typeof getComments>[0]): string {
  return (getComments(desc).leading ?? '').trim().replace(/\s*\n\s*/g, ' ');
}
