import type { JsonObject } from '@bufbuild/protobuf';
import { Problem, Reason } from '@touchstone/contracts';
import { type OperationContext, OperationHandler } from '@touchstone/operations';
import type { Tenant } from '@touchstone/runtime/tenant';
import { Collections } from '../collection/collections.service.ts';
import { ItemPreparation, type PreparedWrite } from '../item/item-preparation.service.ts';
import { Items } from '../item/items.service.ts';
import { untilVersionsStay } from '../item/prepared-versions.ts';
import { type Batch, batchBefore, batches, type BatchLimits, oneAhead, type Refusal } from './batches.ts';
import { itemQuotaExceededAt } from './import.errors.ts';
import { ImportRows } from './import-rows.service.ts';
import { itemRow } from './item-row.ts';

export const itemsImport = 'retrieval.items-import';

const limits: BatchLimits = { items: 500, pictures: 32, bytes: 16 * 1024 * 1024, refusals: 1_000 };
const shownRefusals = 100;
const itemPointer = /^\/items\/(\d+)(.*)$/;

/**
 * What the controller asks for. The token may read the caller's blobs for as long as the import may take. The limits are those
 * that the caller's tenant had then.
 */
export interface ImportInput extends JsonObject {
  collection: string;
  blobId: string;
  token: string;
  limits: { [name: string]: number };
}

/** How far an import is: what it was when a worker died is what the next one begins with. */
interface Checkpoint extends JsonObject {
  line: number;
  end: number;
  imported: number;
  unchanged: number;
  refused: number;
  refusals: (Refusal & JsonObject)[];
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
    const { input, checkpoint, signal } = context;
    const { collection: name, blobId, token } = input as ImportInput;
    const { collection } = await this.collections.get(context.tenant, name);
    let state = (checkpoint as Checkpoint | undefined) ?? { line: 0, end: 0, imported: 0, unchanged: 0, refused: 0, refusals: [] };
    const { bytes, rows } = await this.importRows.open(blobId, { token, signal }, { number: state.line, end: state.end });

    for await (const batch of oneAhead(batches(rows, (json) => itemRow(json, collection.spaces), limits))) {
      signal.throwIfAborted();
      state = await this.write(context, batch, state, bytes);
    }
    const { imported, unchanged, refused, refusals } = state;
    return { imported, unchanged, refused, refusals };
  }

  /** Writes the batch, or as much of it as there is room for. @throws Problem item-quota-exceeded that names the line for which there is none */
  private async write(context: OperationContext, batch: Batch, before: Checkpoint, total: number): Promise<Checkpoint> {
    const { collection: name, limits } = context.input as ImportInput;
    const tenant = { ...context.tenant, limits };
    let items = batch.items;
    try {
      return await untilVersionsStay(async () => {
        const { write, written, refusals } = await this.prepare(tenant, name, batch, context.signal);
        items = written;
        const state = {
          line: batch.line,
          end: batch.end,
          imported: before.imported + write.changed.length,
          unchanged: before.unchanged + write.unchanged,
          refused: before.refused + refusals.length,
          refusals: [...before.refusals, ...refusals].slice(0, shownRefusals),
        };
        context.progress({ done: batch.end, total });
        await context.save(state, async (transaction) => void (await this.items.store(transaction, tenant, name, write)));
        return state;
      });
    } catch (error) {
      if (!(error instanceof Problem && error.reason === Reason.ITEM_QUOTA_EXCEEDED)) throw error;
      const { line } = items[Number(itemPointer.exec(error.violations[0].pointer!)![1])];
      const fitting = batchBefore(batch, line);
      if (fitting) await this.write(context, fitting, before, total);
      throw itemQuotaExceededAt(line, limits.items, error);
    }
  }

  /** Embeds the batch. An item that is refused joins the refusals, and the others go on. */
  private async prepare(tenant: Tenant, name: string, batch: Batch, signal: AbortSignal): Promise<{ write: PreparedWrite; written: Batch['items']; refusals: (Refusal & JsonObject)[] }> {
    const items = [...batch.items];
    const refusals: Refusal[] = [...batch.refusals];
    for (;;) {
      try {
        const write = await this.preparation.prepare(tenant, name, items.map(({ content }) => content), signal);
        return { write, written: items, refusals: refusals.toSorted((a, b) => a.line - b.line).map((refusal) => ({ ...refusal })) };
      } catch (error) {
        const violation = error instanceof Problem ? error.violations.at(0) : undefined;
        const [, index, pointer] = itemPointer.exec(violation?.pointer ?? '') ?? [];
        if (!violation || index === undefined) throw error;
        const [{ line }] = items.splice(Number(index), 1);
        refusals.push({ line, pointer, detail: violation.detail });
      }
    }
  }
}
