import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CollectionIndex } from '../../services/retrieval/src/index/collection-index.ts';
import { Scanner } from '../../services/retrieval/src/index/scanner.ts';
import { type Engine, fieldsOf, limit, seconds, timed, type Workload } from './engine.ts';

/** The index alone, in this process; its float32 vectors lie in a temporary file, as in the service. */
export async function bareIndex({ vectors, queries, dimension }: Workload, workers: number): Promise<Engine & { readonly index: CollectionIndex }> {
  const folder = await mkdtemp(join(tmpdir(), 'touchstone-vectors-'));
  const scanner = await Scanner.start({ workers, vectorFolder: folder });
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
      return { seconds: took, bytesPerVector: (scannedBytes + rescoringBytes) / vectors.length, bytesAre: 'memory of its rows; float32 is in a file, ids and fields beside it' };
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
      await rm(folder, { recursive: true });
    },
  };
}
