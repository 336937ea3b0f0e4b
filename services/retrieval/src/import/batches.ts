import type { JsonValue } from '@bufbuild/protobuf';
import type { Violation } from '@touchstone/contracts';
import type { ItemContent } from '../item/item-content.ts';
import type { ImportRow } from './import-row.ts';

export interface Refusal {
  readonly line: number;
  /** JSON pointer into the row. */
  readonly pointer: string;
  readonly detail: string;
}

/** Rows that are written together; ids are unique among them. */
export interface Batch {
  readonly items: readonly { readonly line: number; readonly end: number; readonly content: ItemContent }[];
  readonly refusals: readonly Refusal[];
  /** Number and end of its last row. */
  readonly line: number;
  readonly end: number;
}

export interface BatchLimits {
  readonly items: number;
  readonly pictures: number;
  /** Of its rows together, as they are in the file; one may be longer. */
  readonly bytes: number;
  readonly refusals: number;
}

/** Gathers rows into batches that keep the limits. A second row with an id replaces the first, so it begins a batch. */
export async function* batches(
  all: AsyncIterable<ImportRow>,
  read: (json: JsonValue) => ItemContent | readonly Violation[],
  limits: BatchLimits,
): AsyncIterable<Batch> {
  let batch = emptyBatch();
  let start: number | undefined; // of the batch, in bytes from the start of the file
  for await (const { number: line, end, json, refusal } of all) {
    const content: ItemContent | readonly Violation[] = json === undefined ? [refusal!] : read(json);
    const isFull = isRefused(content)
      ? batch.refusals.length >= limits.refusals
      : batch.items.length >= limits.items ||
        batch.ids.has(content.id) ||
        batch.pictures + content.images.length > limits.pictures ||
        (batch.items.length > 0 && start !== undefined && end - start > limits.bytes);
    if (isFull) {
      yield batch;
      start = batch.end;
      batch = emptyBatch();
    }
    start ??= end;
    if (isRefused(content)) {
      const { pointer = '', detail } = content[0];
      batch.refusals.push({ line, pointer, detail });
    } else {
      batch.items.push({ line, end, content });
      batch.ids.add(content.id);
      batch.pictures += content.images.length;
    }
    batch.line = line;
    batch.end = end;
  }
  if (batch.line > 0) yield batch;
}

const emptyBatch = () => ({ items: [] as { line: number; end: number; content: ItemContent }[], refusals: [] as Refusal[], ids: new Set<string>(), pictures: 0, line: 0, end: 0 });

/** The batch up to its last item before a line; undefined when none is. */
export function batchBefore({ items, refusals }: Batch, line: number): Batch | undefined {
  const before = items.filter((item) => item.line < line);
  const last = before.at(-1);
  return last && { items: before, refusals: refusals.filter((refusal) => refusal.line < last.line), line: last.line, end: last.end };
}

const isRefused = (content: ItemContent | readonly Violation[]): content is readonly Violation[] => Array.isArray(content);

/** The same values; while one is used, the next is made. */
export async function* oneAhead<T>(source: AsyncIterable<T>): AsyncIterable<T> {
  const iterator = source[Symbol.asyncIterator]();
  const fetch = () => {
    const next = iterator.next();
    next.catch(() => undefined); // It is thrown when its turn comes, if it comes.
    return next;
  };
  let next = fetch();
  try {
    for (;;) {
      const { done, value } = await next;
      if (done) return;
      next = fetch();
      yield value;
    }
  } finally {
    await next.catch(() => undefined);
    await iterator.return?.();
  }
}
