import { fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { brokenRules, type Violation } from '@touchstone/contracts';
import { ItemInputSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';
import type { Space } from '../collection/collection.entity.ts';
import type { ItemContent } from '../item/item-content.ts';
import { ownVectors, VectorRefused } from '../item/own-vectors.ts';

/**
 * Reads one row of an import: an item of the contract, and vectors of the caller's own.
 *
 * @returns the item, its own vectors with length 1; or what is wrong, with JSON pointers into the row.
 */
export function itemRow(json: JsonValue, spaces: readonly Space[]): ItemContent | readonly Violation[] {
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
  const images = item.images.flatMap(({ source, ocrText }, part) => {
    if (source.case === 'base64') return [{ file: source.value, source: source.case, ocrText }];
    violations.push({ pointer: `/images/${part}`, detail: 'expected base64' });
    return [];
  });
  if (violations.length > 0) return violations;
  const { id, title, body, category, author, createdAt, attributes = {} } = item;
  try {
    const own = ownVectors(vectors, spaces, images.length);
    return { id, title, body, category, author, createdAt: createdAt && timestampDate(createdAt), attributes, images, vectors: own };
  } catch (error) {
    if (!(error instanceof VectorRefused)) throw error;
    return [{ pointer: `/vectors${error.pointer}`, detail: error.message }];
  }
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
