import type { JsonObject } from '@bufbuild/protobuf';
import { Problem, type Violation } from '@touchstone/contracts';
import { type OperationContext, OperationHandler } from '@touchstone/operations';
import type { Tenant } from '@touchstone/runtime/tenant';
import { Collections } from '../collection/collections.service.ts';
import type { Space } from '../collection/collection.entity.ts';
import type { ItemContent } from '../item/item-content.ts';
import { ItemPreparation, type PreparedWrite } from '../item/item-preparation.service.ts';
import { Items } from '../item/items.service.ts';
import { untilVersionsStay } from '../item/prepared-versions.ts';
import type { ImportRow } from './import-row.ts';
import { ImportRows } from './import-rows.service.ts';
import { itemRow } from './item-row.ts';

export const itemsImport = 'retrieval.items-import';

const batchItems = 500;
const batchPictures = 32;
const batchRefusals = 1_000;
const shownRefusals = 100;

/** What the controller asks for. The token may read the caller's blobs for as long as the import may take. */
export interface ImportInput extends JsonObject {
  collection: string;
  blobId: string;
  token: string;
}

interface Refusal extends JsonObject {
  line: number;
  pointer: string;
  detail: string;
}

/** How far an import is: what it was when a worker died is what the next one begins with. */
interface Checkpoint extends JsonObject {
  line: number;
  end: number;
  imported: number;
  unchanged: number;
  refused: number;
  refusals: Refusal[];
}

/** Rows that are written together; ids are unique among them. */
interface Batch {
  readonly items: { readonly line: number; readonly content: ItemContent }[];
  readonly refusals: Refusal[];
  /** Of its last line. */
  line: number;
  end: number;
}

/** Writes the items of a blob, a batch a transaction; a batch's checkpoint commits with its items. */
@OperationHandler(itemsImport)
export class ItemsImport implements OperationHandler<JsonObject> {
  constructor(
    private readonly collections: Collections,
    private readonly preparation: ItemPreparation,
    private readonly items: Items,
    private readonly importRows: ImportRows,
  ) {}

  async run(context: OperationContext): Promise<JsonObject> {
    const { tenant, input, checkpoint, signal } = context;
    const { collection: name, blobId, token } = input as ImportInput;
    const { collection } = await this.collections.get(tenant, name);
    let state = (checkpoint as Checkpoint | undefined) ?? { line: 0, end: 0, imported: 0, unchanged: 0, refused: 0, refusals: [] };
    const { bytes, rows } = await this.importRows.open(blobId, { token, signal }, { number: state.line, end: state.end });

    for await (const batch of batches(rows, collection.spaces)) {
      signal.throwIfAborted();
      const before = state;
      await untilVersionsStay(async () => {
        const write = await this.prepare(tenant, name, batch, signal);
        state = {
          line: batch.line,
          end: batch.end,
          imported: before.imported + write.changed.length,
          unchanged: before.unchanged + write.unchanged,
          refused: before.refused + batch.refusals.length,
          refusals: [...before.refusals, ...batch.refusals.toSorted((a, b) => a.line - b.line)].slice(0, shownRefusals),
        };
        context.progress({ done: batch.end, total: bytes });
        await context.save(state, async (transaction) => void (await this.items.store(transaction, tenant, name, write)));
      });
    }
    const { imported, unchanged, refused, refusals } = state;
    return { imported, unchanged, refused, refusals };
  }

  /** Embeds the batch. An item that is refused leaves it for the refusals, and the others go on. */
  private async prepare(tenant: Tenant, name: string, batch: Batch, signal: AbortSignal): Promise<PreparedWrite> {
    for (;;) {
      try {
        return await this.preparation.prepare(tenant, name, batch.items.map(({ content }) => content), signal);
      } catch (error) {
        const violation = error instanceof Problem ? error.violations.at(0) : undefined;
        const [, index, pointer] = /^\/items\/(\d+)(.*)$/.exec(violation?.pointer ?? '') ?? [];
        if (!violation || index === undefined) throw error;
        const [{ line }] = batch.items.splice(Number(index), 1);
        batch.refusals.push({ line, pointer, detail: violation.detail });
      }
    }
  }
}

async function* batches(all: AsyncIterable<ImportRow>, spaces: readonly Space[]): AsyncIterable<Batch> {
  let batch = emptyBatch();
  for await (const { number, end, json, refusal } of all) {
    const read: ItemContent | readonly Violation[] = json === undefined ? [refusal!] : itemRow(json, spaces);
    if (isRefused(read)) batch.refusals.push(...read.slice(0, 1).map(({ pointer = '', detail }) => ({ line: number, pointer, detail })));
    else {
      if (!hasRoom(batch, read)) {
        yield batch;
        batch = emptyBatch();
      }
      batch.items.push({ line: number, content: read });
    }
    batch.line = number;
    batch.end = end;
    if (batch.refusals.length >= batchRefusals) {
      yield batch;
      batch = emptyBatch();
    }
  }
  if (batch.line > 0) yield batch;
}

const emptyBatch = (): Batch => ({ items: [], refusals: [], line: 0, end: 0 });

const isRefused = (read: ItemContent | readonly Violation[]): read is readonly Violation[] => Array.isArray(read);

/** A second line with an id replaces the first, so it needs a write of its own. */
function hasRoom({ items }: Batch, { id, images }: ItemContent): boolean {
  const pictures = items.reduce((sum, { content }) => sum + content.images.length, images.length);
  return items.length < batchItems && pictures <= batchPictures && items.every(({ content }) => content.id !== id);
}
