/** What stands in a Parquet row, as JSON has it; what JSON cannot say is refused with a pointer. */

export class ValueRefused extends Error {
  constructor(
    readonly pointer: string,
    message: string,
  ) {
    super(message);
  }
}

const longestText = 1024 * 1024;
const deepest = 32;

/**
 * A row's columns as the fields of an item. A null is an absent field, as columns have a value for every row. Text in the
 * columns `attributes` and `vectors` is JSON; bytes within `images` become base64, elsewhere they are text.
 *
 * @throws ValueRefused for the first value that no item can have.
 */
export function rowJson(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const json: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(row)) {
    if (value === null || value === undefined) continue;
    json[name] = fieldJson(name, value);
  }
  return json;
}

function fieldJson(name: string, value: unknown): unknown {
  const json = valueJson(value, `/${name}`, name === 'images', 0);
  if ((name !== 'attributes' && name !== 'vectors') || typeof json !== 'string') return json;
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new ValueRefused(`/${name}`, `is text but not JSON: ${(error as Error).message}`);
  }
}

function valueJson(value: unknown, pointer: string, isPicture: boolean, depth: number): unknown {
  if (depth > deepest) throw new ValueRefused(pointer, `is nested deeper than ${deepest} levels`);
  if (value === null || value === undefined || typeof value === 'boolean') return value ?? null;
  if (typeof value === 'string') return checkLength(value, pointer);
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return value;
    throw new ValueRefused(pointer, `is ${value}, which no item can have`);
  }
  if (typeof value === 'bigint') {
    if (Number.isSafeInteger(Number(value))) return Number(value);
    throw new ValueRefused(pointer, 'is beyond the integers that a double holds exactly');
  }
  if (value instanceof Date) {
    if (!Number.isNaN(value.getTime())) return value.toISOString();
    throw new ValueRefused(pointer, 'is no time');
  }
  if (value instanceof Uint8Array) return isPicture ? checkLength(Buffer.from(value).toString('base64'), pointer) : text(value, pointer);
  const list = Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as ArrayLike<unknown>) : undefined;
  if (list) return list.map((element, index) => (typeof element === 'number' && Number.isFinite(element) ? element : valueJson(element, `${pointer}/${index}`, isPicture, depth + 1)));
  if (typeof value !== 'object') throw new ValueRefused(pointer, 'is of a type that no item has');
  const entries = Object.entries(value).filter(([, inner]) => inner !== null && inner !== undefined);
  return Object.fromEntries(entries.map(([name, inner]) => [name, valueJson(inner, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, isPicture, depth + 1)]));
}

function text(bytes: Uint8Array, pointer: string): string {
  try {
    return checkLength(new TextDecoder('utf-8', { fatal: true }).decode(bytes), pointer);
  } catch (error) {
    if (error instanceof ValueRefused) throw error;
    throw new ValueRefused(pointer, 'is not UTF-8');
  }
}

function checkLength(value: string, pointer: string): string {
  if (value.length <= longestText) return value;
  throw new ValueRefused(pointer, `is longer than ${longestText} characters`);
}
