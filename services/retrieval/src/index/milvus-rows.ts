import { kindSet, kindsOf } from './kind-set.ts';
import { literal, milvusFields } from './milvus-expression.ts';
import type { Column, Milvus, MilvusRow } from './milvus.client.ts';
import type { RankedRow } from './ranked-groups.ts';
import type { IndexedItem } from './vector-index.ts';

export const pageRows = 1_000;

/** Of the collection of a space, beside the vector: a row is a part. */
export const rowColumns: readonly Column[] = [
  { name: 'key', type: 'VarChar', isKey: true },
  { name: 'item', type: 'VarChar' },
  { name: 'position', type: 'Int64' },
  { name: 'part', type: 'Int64' },
  { name: 'kinds', type: 'Int32' },
  { name: 'ordinal', type: 'Int32' },
  { name: 'keeper', type: 'VarChar' },
  { name: 'fields', type: 'JSON' },
];

/** Of the collection of the items. */
export const itemColumns: readonly Column[] = [
  { name: 'id', type: 'VarChar', isKey: true },
  { name: 'position', type: 'Int64' },
  { name: 'fields', type: 'JSON' },
];

/** The parts of an item in a space, as they are written at a position. */
export function rowsOf(item: IndexedItem, space: string, position: number) {
  const fields = milvusFields(item.fields);
  return item.parts.flatMap(({ space: own, kinds, part, vector }, ordinal) => {
    if (own !== space) return [];
    const set = kindSet(kinds);
    return [{ key: `${item.id}/${part}/${set}/${position}`, item: item.id, position, part, kinds: set, ordinal, keeper: item.keeper ?? '', fields, vector: Array.from(vector) }];
  });
}

export function rankedRow(row: MilvusRow, score: number): RankedRow {
  return {
    id: String(row.item),
    position: Number(row.position),
    score,
    kinds: kindsOf(Number(row.kinds)),
    part: Number(row.part),
    keeper: row.keeper ? String(row.keeper) : undefined,
    fields: row.fields as RankedRow['fields'],
  };
}

export async function allRows(milvus: Milvus, name: string, key: string, filter: string, columns: readonly string[]): Promise<MilvusRow[]> {
  const rows: MilvusRow[] = [];
  for await (const page of pages(milvus, name, key, filter, columns)) rows.push(...page);
  return rows;
}

/** Milvus gives the rows with the lowest keys first when there is a limit. */
export async function* pages(milvus: Milvus, name: string, key: string, filter: string, columns: readonly string[]): AsyncGenerator<MilvusRow[]> {
  for (let last = ''; ; ) {
    const page = await milvus.query(name, `(${filter}) && ${key} > ${literal(last)}`, [...new Set([key, ...columns])], pageRows);
    if (page.length > 0) yield page;
    if (page.length < pageRows) return;
    last = page.reduce((largest, row) => (String(row[key]) > largest ? String(row[key]) : largest), '');
  }
}
