import { CollectionIndex } from '../../services/retrieval/src/index/collection-index.ts';
import { Scanner } from '../../services/retrieval/src/index/scanner.ts';
import { type Engine, fieldsOf, limit, seconds, timed, type Workload } from './engine.ts';

/** The index alone, in this process. */
export async function bareIndex({ vectors, queries, dimension }: Workload, workers: number): Promise<Engine & { readonly index: CollectionIndex }> {
  const scanner = await Scanner.start({ workers });
  const index = new CollectionIndex(scanner, new Map([['own', { dimension }]]));
  return {
    name: `Touchstone index, ${workers} ${workers === 1 ? 'thread' : 'threads'}`,
    index,
    settings: [0],
    standard: 0,
    settingIs: 'exact',
    queriesPerRound: 40,
    async ingest() {
      const took = await seconds(async () => {
        vectors.forEach((vector, row) => index.upsert({ id: String(row), fields: fieldsOf(row), parts: [{ space: 'own', kinds: ['note'], part: 0, vector }] }));
        await index.search({ space: 'own', vector: vectors[0], limit });
      });
      const { scannedBytes, rescoringBytes } = index.usage;
      const [hot, cold] = [scannedBytes, rescoringBytes].map((bytes) => Math.round(bytes / vectors.length));
      return { seconds: took, bytesPerVector: hot + cold, bytesAre: `${hot} scanned, ${cold} float32 read for the best only` };
    },
    run: (some, share) =>
      timed(some, async (query) => {
        const filter = share === undefined ? undefined : { field: `of${share}`, in: [0] };
        const { hits } = await index.search({ space: 'own', vector: queries[query], limit, filter });
        return hits.map(({ id }) => Number(id));
      }),
    async close() {
      index.close();
      await scanner.close();
    },
  };
}
