import type { JsonObject } from '@bufbuild/protobuf';
import { Inject } from '@nestjs/common';
import { type Normalisation, type ScanDuplicatesRequest, ScanDuplicatesRequestSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/duplicate_pb';
import { type OperationContext, OperationHandler } from '@touchstone/operations';
import { Database } from '@touchstone/persistence';
import { lockCollection } from '../collection/log-position.ts';
import type { CollectionPairs, PartPair } from '../index/collection-pairs.ts';
import { type CollectionView, CollectionViews } from '../search/collection-views.service.ts';
import { evidenceOf, type FoundEvidence } from './evidence.ts';
import { Folding } from './folding.service.ts';
import { FoundPages } from './found-pages.ts';
import { FoundPairs, type ScanKey } from './found-pairs.service.ts';
import { PicturePairs } from './picture-pairs.service.ts';
import { idHash, type ScanUnit, scanUnits } from './scan-plan.ts';

export const duplicatesScan = 'retrieval.duplicates-scan';

/** Of near-duplicates; one for alerts would be lower, and one for a category is calibrated. */
const defaultThreshold = 0.95;
const defaultNormalisation = { sample: 1000, neighbours: 2 };

/** How much evidence a scan finds (`EvidenceLimits`). */
export const EVIDENCE_LIMITS = Symbol('evidence limits');

export interface EvidenceLimits {
  /** Pieces that are in memory before they are stored. */
  readonly page: number;
  /** Pieces of a scan. */
  readonly most: number;
}

/** Some 270 bytes a piece until the scan has ended, then 540 a pair. The last transaction stores all pairs, and writers wait for it. */
export const defaultEvidenceLimits: EvidenceLimits = { page: 10_000, most: 500_000 };

/** How far a scan is: what it was when a worker died is what the next one begins with. */
interface Checkpoint extends JsonObject {
  /** Of the log: items that were written after it are left to the next scan. */
  position: number;
  items: number;
  /** Checkpoints that were reached; what is found for the next one is stored before it, in pages. */
  step: number;
  /** Pieces of evidence that are stored for those. */
  found: number;
  /** Pictures that were compared; -1 before they were. */
  pictures: number;
  unit: number;
  block: number;
  /** Of the unit: the first id of each block. */
  blocks: string[];
}

type Context = OperationContext<ScanDuplicatesRequest>;

/**
 * Finds all pairs of duplicates of a collection: equal content, then pictures, then each kind of vectors block by block. What
 * is found commits with the checkpoint; the pairs and the keepers change at once, in the last transaction.
 */
@OperationHandler(duplicatesScan, ScanDuplicatesRequestSchema)
export class DuplicatesScan implements OperationHandler<ScanDuplicatesRequest> {
  constructor(
    private readonly database: Database,
    private readonly views: CollectionViews,
    private readonly found: FoundPairs,
    private readonly pictures: PicturePairs,
    private readonly folding: Folding,
    @Inject(EVIDENCE_LIMITS) private readonly limits: EvidenceLimits,
  ) {}

  async run(context: Context): Promise<JsonObject> {
    const { tenant, input, signal } = context;
    const scan = { tenant, collection: input.collection, operationId: context.id };
    const { view, release } = await this.views.inMemory(tenant, input.collection, signal);
    let state: Checkpoint;
    try {
      const units = scanUnits(view.spaces, input);
      state = await this.begun(context, scan, view);
      if (state.pictures < 0) state = await this.comparePictures(context, scan, state);
      for (; state.unit < units.length; state = { ...state, unit: state.unit + 1, block: 0, blocks: [] }) {
        state = await this.compareVectors(context, scan, state, { view, unit: units[state.unit], units: units.length });
      }
    } finally {
      await release();
    }

    let pairs = 0;
    let duplicates = 0;
    await context.save(state, async (transaction) => {
      await lockCollection(transaction, tenant, scan.collection);
      pairs = await this.found.decide(transaction, scan, state.position, this.limits.page);
      duplicates = await this.folding.refold(transaction, tenant, scan.collection);
    });
    return { position: state.position, items: state.items, pictures: state.pictures, pairs, duplicates };
  }

  /** Where an earlier worker left off, if what it found is there still; else the beginning. */
  private async begun(context: Context, scan: ScanKey, view: CollectionView): Promise<Checkpoint> {
    const { tenant, checkpoint } = context;
    const saved = checkpoint as Checkpoint | undefined;
    if (saved?.step !== undefined) {
      await context.save(saved, (transaction) => this.found.forgetFrom(transaction, scan, saved.step));
      const stored = await this.database.transaction(tenant, (transaction) => this.found.count(transaction, scan));
      if (stored === saved.found) return saved;
    }
    const state: Checkpoint = { position: view.position, items: view.index.size, step: 0, found: 0, pictures: -1, unit: 0, block: 0, blocks: [] };
    await context.save(state, (transaction) => this.found.clear(transaction, scan));
    return state;
  }

  private async comparePictures(context: Context, scan: ScanKey, state: Checkpoint): Promise<Checkpoint> {
    const { tenant, input, signal } = context;
    const gathered = this.gathering(context, scan, state, async (piece: FoundEvidence) => piece);
    for (const piece of await this.found.sameContent(scan)) gathered.add(piece);
    let pictures = 0;
    if (input.usePerceptualHash !== false && (input.kinds.length === 0 || input.kinds.includes('image'))) {
      await this.hashPictures(context, scan, state);
      pictures = await this.pictures.find(tenant, scan.collection, (piece) => gathered.add(piece), { signal, room: () => gathered.room() });
    }
    return this.save(context, scan, { ...state, pictures }, await gathered.rest());
  }

  private async hashPictures(context: Context, { tenant, collection }: ScanKey, state: Checkpoint): Promise<void> {
    const wanted = await this.pictures.unhashed(tenant, collection);
    let done = 0;
    for await (const hashed of this.pictures.hashed(tenant, wanted, context.signal)) {
      context.progress({ done: (done += hashed.length), total: wanted.length });
      await context.save(state, (transaction) => this.pictures.keep(transaction, tenant, hashed));
    }
  }

  private async compareVectors(context: Context, scan: ScanKey, begun: Checkpoint, { view, unit, units }: { view: CollectionView; unit: ScanUnit; units: number }): Promise<Checkpoint> {
    const { input, signal } = context;
    const pairs = view.pairs(unit.space, unit.kind, input.threshold ?? defaultThreshold);
    try {
      const score = normalisedBy(input.normalisation, pairs);
      let state = begun.blocks.length > 0 ? begun : { ...begun, blocks: pairs.blocks() };
      for (; state.block < state.blocks.length; ) {
        const gathered = this.gathering(context, scan, state, async (pair: PartPair) => {
          const normalisedScore = await score(pair);
          if (normalisedScore !== undefined && normalisedScore < (input.normalisation?.threshold ?? -Infinity)) return undefined;
          const { space, kind } = unit;
          return evidenceOf(pair.a, pair.b, (parts) => ({ of: 'vector', parts, space, kind, cosine: pair.score, normalisedScore }));
        });
        const offer = (pair: PartPair) => {
          if (!unit.before.some((kind) => pair.kinds.includes(kind))) gathered.add(pair);
        };
        await pairs.find(state.blocks, state.block, offer, { signal, room: () => gathered.room() });
        context.progress({ done: state.items * (state.unit + (state.block + 1) / state.blocks.length), total: state.items * units });
        state = await this.save(context, scan, { ...state, block: state.block + 1 }, await gathered.rest());
      }
      return state;
    } finally {
      pairs.close();
    }
  }

  /** What is found for the next checkpoint. Pages of it are stored with the one before, so that only its worker stores. */
  private gathering<Found>(context: Context, scan: ScanKey, state: Checkpoint, toEvidence: (found: Found) => Promise<FoundEvidence | undefined>): FoundPages<Found> {
    const store = (pieces: readonly FoundEvidence[]) => context.save(state, (transaction) => this.found.add(transaction, scan, state.step, pieces));
    return new FoundPages(toEvidence, store, { ...this.limits, before: state.found });
  }

  private async save(context: Context, scan: ScanKey, state: Checkpoint, { pieces, stored }: { pieces: readonly FoundEvidence[]; stored: number }): Promise<Checkpoint> {
    const saved = { ...state, step: state.step + 1, found: state.found + stored + pieces.length };
    await context.save(saved, (transaction) => this.found.add(transaction, scan, state.step, pieces));
    return saved;
  }
}

/** The cosine less the mean of both parts' biases; undefined when nobody asked. */
function normalisedBy(wanted: Normalisation | undefined, pairs: CollectionPairs): (pair: PartPair) => Promise<number | undefined> {
  if (!wanted) return async () => undefined;
  const { sample = defaultNormalisation.sample, neighbours = defaultNormalisation.neighbours } = wanted;
  const background = pairs.background({ size: sample, neighbours, hash: idHash });
  return async ({ a, b, score }) => score - ((await background.bias(a.position)) + (await background.bias(b.position))) / 2;
}
