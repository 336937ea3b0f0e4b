import type { JsonObject } from '@bufbuild/protobuf';
import { Problem } from '@touchstone/contracts';
import { type OperationContext, OperationHandler } from '@touchstone/operations';
import type { Tenant } from '@touchstone/runtime/tenant';
import { Collections } from '../collection/collections.service.ts';
import { ItemPreparation, type PreparedWrite } from '../item/item-preparation.service.ts';
import { Items } from '../item/items.service.ts';
import { untilVersionsStay } from '../item/prepared-versions.ts';
import { type Batch, batches, type BatchLimits, oneAhead, type Refusal } from './batches.ts';
import { ImportRows } from './import-rows.service.ts';
import { itemRow } from './item-row.ts';

export const itemsImport = 'retrieval.items-import';

const limits: BatchLimits = { items: 500, pictures: 32, bytes: 16 * 1024 * 1024, refusals: 1_000 };
const shownRefusals = 100;

/** What the controller asks for. The token may read the caller's blobs for as long as the import may take. */
export interface ImportInput extends JsonObject {
  collection: string;
  blobId: string;
  token: string;
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
    const { tenant, input, checkpoint, signal } = context;
    const { collection: name, blobId, token } = input as ImportInput;
    const { collection } = await this.collections.get(tenant, name);
    let state = (checkpoint as Checkpoint | undefined) ?? { line: 0, end: 0, imported: 0, unchanged: 0, refused: 0, refusals: [] };
    const { bytes, rows } = await this.importRows.open(blobId, { token, signal }, { number: state.line, end: state.end });

    for await (const batch of oneAhead(batches(rows, (json) => itemRow(json, collection.spaces), limits))) {
      signal.throwIfAborted();
      const before = state;
      await untilVersionsStay(async () => {
        const { write, refusals } = await this.prepare(tenant, name, batch, signal);
        state = {
          line: batch.line,
          end: batch.end,
          imported: before.imported + write.changed.length,
          unchanged: before.unchanged + write.unchanged,
          refused: before.refused + refusals.length,
          refusals: [...before.refusals, ...refusals].slice(0, shownRefusals),
        };
        context.progress({ done: batch.end, total: bytes });
        await context.save(state, async (transaction) => void (await this.items.store(transaction, tenant, name, write)));
      });
    }
    const { imported, unchanged, refused, refusals } = state;
    return { imported, unchanged, refused, refusals };
  }

  /** Embeds the batch. An item that is refused joins the refusals, and the others go on. */
  private async prepare(tenant: Tenant, name: string, batch: Batch, signal: AbortSignal): Promise<{ write: PreparedWrite; refusals: (Refusal & JsonObject)[] }> {
    const items = [...batch.items];
    const refusals: Refusal[] = [...batch.refusals];
    for (;;) {
      try {
        const write = await this.preparation.prepare(tenant, name, items.map(({ content }) => content), signal);
        return { write, refusals: refusals.toSorted((a, b) => a.line - b.line).map((refusal) => ({ ...refusal })) };
      } catch (error) {
        const violation = error instanceof Problem ? error.violations.at(0) : undefined;
        const [, index, pointer] = /^\/items\/(\d+)(.*)$/.exec(violation?.pointer ?? '') ?? [];
        if (!violation || index === undefined) throw error;
        const [{ line }] = items.splice(Number(index), 1);
        refusals.push({ line, pointer, detail: violation.detail });
      }
    }
  }
}
