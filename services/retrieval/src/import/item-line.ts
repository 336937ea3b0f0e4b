import { fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { brokenRules, type Violation } from '@touchstone/contracts';
import { ItemInputSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';
import type { Space } from '../collection/collection.entity.ts';
import type { OwnVectors } from '../item/item-embedding.service.ts';
import type { ItemContent } from '../item/items.service.ts';

/**
 * Reads one line of an import: an item of the contract, and vectors of the caller's own.
 *
 * @returns the item, its own vectors with length 1; or what is wrong, with JSON pointers into the line.
 */
export function itemLine(text: string, spaces: readonly Space[]): ItemContent | readonly Violation[] {
  let json: JsonValue;
  try {
    json = JSON.parse(text) as JsonValue;
  } catch (error) {
    return [{ pointer: '', detail: `is not JSON: ${(error as Error).message}` }];
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return [{ pointer: '', detail: 'expected an object' }];

  const { vectors = {}, ...rest } = json;
  const unstorable = whatCannotBeStored(rest);
  if (unstorable) return [unstorable];
  let item;
  try {
    item = fromJson(ItemInputSchema, rest);
  } catch (error) {
    return [{ pointer: '', detail: (error as Error).message }];
  }
  const violations = [...brokenRules(ItemInputSchema, item)];
  const images = item.images.flatMap(({ source }, part) => {
    if (source.case === 'base64') return [{ file: source.value, source: source.case }];
    violations.push({ pointer: `/images/${part}`, detail: 'expected base64' });
    return [];
  });
  const read = ownVectors(vectors, spaces, violations);
  if (violations.length > 0) return violations;
  const { id, title, body, attributes = {} } = item;
  return { id, title, body, attributes, images, vectors: read };
}

/** Vectors by space, of length 1; what is wrong with them goes to `violations`. */
function ownVectors(vectors: JsonValue, spaces: readonly Space[], violations: Violation[]): OwnVectors {
  const read: Record<string, Float32Array[]> = {};
  const refuse = (pointer: string, detail: string) => {
    violations.push({ pointer, detail });
    return read;
  };
  if (typeof vectors !== 'object' || vectors === null || Array.isArray(vectors)) return refuse('/vectors', 'expected an object');
  for (const [name, given] of Object.entries(vectors)) {
    const space = spaces.find((known) => known.name === name);
    if (!space) return refuse(`/vectors/${name}`, `the collection has the spaces ${spaces.map((known) => known.name).join(', ')}`);
    const parts = name === 'text' ? [given] : given;
    if (!Array.isArray(parts)) return refuse(`/vectors/${name}`, 'expected a list of vectors');
    read[name] = [];
    for (const [part, values] of parts.entries()) {
      const pointer = name === 'text' ? '/vectors/text' : `/vectors/${name}/${part}`;
      if (!Array.isArray(values) || values.length !== space.dimension) return refuse(pointer, `expected ${space.dimension} numbers`);
      const vector = Float32Array.from(values as number[]);
      const length = Math.hypot(...vector);
      if (!(length > 0) || !Number.isFinite(length)) return refuse(pointer, 'expected finite numbers, not all 0');
      read[name].push(vector.map((value) => value / length));
    }
  }
  return read;
}

/** PostgreSQL holds neither U+0000 nor half of a surrogate pair; nesting is bounded as at the gateway. */
function whatCannotBeStored(json: JsonObject): Violation | undefined {
  const open: { value: JsonValue; pointer: string; depth: number }[] = [{ value: json, pointer: '', depth: 0 }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, pointer, depth } = next;
    if (typeof value === 'string' && (value.includes('\0') || !value.isWellFormed())) return { pointer, detail: 'holds U+0000 or half of a surrogate pair' };
    if (typeof value !== 'object' || value === null) continue;
    if (depth >= 32) return { pointer, detail: 'is nested deeper than 32 levels' };
    for (const [key, inner] of Object.entries(value)) {
      if (key.includes('\0') || !key.isWellFormed() || key === '__proto__') return { pointer, detail: `has a name that is not allowed: ${JSON.stringify(key)}` };
      open.push({ value: inner, pointer: `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, depth: depth + 1 });
    }
  }
  return undefined;
}
