import { create, type DescField, type DescMessage, type Message, ScalarType } from '@bufbuild/protobuf';
import { isWrapperDesc } from '@bufbuild/protobuf/wkt';

type Values = Record<string, any>;
type Copy = (value: any) => any;

/**
 * A deep copy of a message. It does what protobuf-es's `clone` does, from functions made once per message type instead
 * of by reflection: 0.5 to 1.1 µs instead of 6 to 12 for the note of bench/rest. Unknown fields are dropped.
 *
 * @throws TypeError for a value that its field cannot hold, which would not survive the way over gRPC either.
 */
export function copyOf<M extends Message>(schema: DescMessage, message: M): M {
  return messageCopy(schema)(message) as M;
}

const compiled = new WeakMap<DescMessage, Copy>();

function messageCopy(schema: DescMessage): Copy {
  let copy = compiled.get(schema);
  if (!copy) {
    const parts: ((from: Values, to: Values) => void)[] = [];
    copy = (from: Values) => {
      const to = create(schema) as unknown as Values;
      for (const part of parts) part(from, to);
      return to;
    };
    compiled.set(schema, copy); // before its fields: messages may contain themselves
    for (const field of schema.fields) if (!field.oneof) parts.push(fieldCopy(field));
    for (const { localName, fields } of schema.oneofs) {
      const cases = new Map(fields.map((field) => [field.localName, valueCopy(field)]));
      parts.push((from, to) => {
        const { case: name, value }: { case?: string; value?: unknown } = from[localName] ?? {};
        const each = name === undefined ? undefined : cases.get(name);
        if (each) to[localName] = { case: name, value: each(value) };
      });
    }
  }
  return copy;
}

function fieldCopy(field: DescField): (from: Values, to: Values) => void {
  const { localName } = field;
  const copy = valueCopy(field);
  return (from, to) => {
    const value: unknown = from[localName];
    // A default of an optional field may stand in the prototype; it is not set.
    if (value !== undefined && Object.hasOwn(from, localName)) to[localName] = copy(value);
  };
}

function valueCopy(field: DescField): Copy {
  switch (field.fieldKind) {
    case 'list':
      return listCopy(field, elementCopy(field));
    case 'map':
      return mapCopy(elementCopy(field));
    default:
      return elementCopy(field);
  }
}

function elementCopy(field: DescField): Copy {
  if (field.scalar !== undefined) return checked(field, scalarRules[field.scalar] ?? isInteger64(field));
  if (field.enum) return checked(field, isInteger32);
  const { message } = field;
  // A field of type Struct holds plain JSON in generated code, and a singular wrapper its bare value.
  if (message!.typeName === 'google.protobuf.Struct' && field.parent?.typeName !== 'google.protobuf.Value') return jsonCopy;
  if (field.fieldKind === 'message' && !field.oneof && isWrapperDesc(message!)) return elementCopy(message!.fields[0]);
  return messageCopy(message!);
}

function listCopy(field: DescField, copy: Copy): Copy {
  // Lists of numbers are large (vectors): no call for each of them.
  const isNumbers = field.scalar === ScalarType.DOUBLE || field.scalar === ScalarType.FLOAT;
  if (!isNumbers) return (list: unknown[]) => list.map(copy);
  return (list: unknown[]) => {
    for (let index = 0; index < list.length; index++) if (typeof list[index] !== 'number') copy(list[index]);
    return list.slice();
  };
}

function mapCopy(copy: Copy): Copy {
  return (map: Values) => Object.fromEntries(Object.entries(map).map(([key, value]) => [key, copy(value)]));
}

function jsonCopy(json: unknown): unknown {
  if (typeof json !== 'object' || json === null) {
    if (json !== null && !['string', 'number', 'boolean'].includes(typeof json)) throw new TypeError(`JSON cannot hold ${String(json)}`);
    return json;
  }
  if (Array.isArray(json)) return json.map(jsonCopy);
  const copy: Values = {};
  for (const key of Object.keys(json)) {
    const value = jsonCopy((json as Values)[key]);
    if (key === '__proto__') Object.defineProperty(copy, key, { value, enumerable: true, configurable: true, writable: true });
    else copy[key] = value;
  }
  return copy;
}

function checked(field: DescField, isRight: (value: any) => boolean): Copy {
  const isBytes = field.scalar === ScalarType.BYTES;
  return (value) => {
    if (!isRight(value)) throw new TypeError(`${String(field)} cannot hold ${typeof value === 'string' ? 'a string' : String(value)}`);
    return isBytes ? (value as Uint8Array).slice() : value;
  };
}

const isInteger32 = (value: unknown) => typeof value === 'number' && (value | 0) === value;
const isUnsigned32 = (value: unknown) => typeof value === 'number' && value >>> 0 === value;
const isNumber = (value: unknown) => typeof value === 'number';
const isInteger64 = ({ scalar }: DescField) => (scalar !== undefined ? (value: unknown) => typeof value === 'bigint' || typeof value === 'string' : () => false);

const scalarRules: Partial<Record<ScalarType, (value: any) => boolean>> = {
  [ScalarType.STRING]: (value) => typeof value === 'string',
  [ScalarType.BOOL]: (value) => typeof value === 'boolean',
  [ScalarType.BYTES]: (value) => value instanceof Uint8Array,
  [ScalarType.DOUBLE]: isNumber,
  [ScalarType.FLOAT]: (value) => typeof value === 'number' && (Math.abs(value) <= 3.4028234663852886e38 || !Number.isFinite(value)),
  [ScalarType.INT32]: isInteger32,
  [ScalarType.SINT32]: isInteger32,
  [ScalarType.SFIXED32]: isInteger32,
  [ScalarType.UINT32]: isUnsigned32,
  [ScalarType.FIXED32]: isUnsigned32,
};
