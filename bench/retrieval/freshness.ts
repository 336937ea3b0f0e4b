import { type Built } from './measure.ts';
import { bareIndex } from './ours.ts';
import { limit, type Workload } from './engine.ts';
import { truth } from './workloads.ts';

export interface Fresh {
  readonly what: string;
  readonly seconds: number;
  readonly vectorsPerSecond: number;
}

/** From nothing to everything found. */
export const fresh = (what: string, seconds: number, count: number): Fresh => ({ what, seconds: Number(seconds.toFixed(2)), vectorsPerSecond: Math.round(count / seconds) });

export const ingests = (built: readonly Built[], { vectors }: Workload): Fresh[] => built.map(({ engine, ingest }) => fresh(engine.name, ingest.seconds, vectors.length));

/** Every key written ten times and every tenth deleted: recall, and how many hits were deleted. */
export async function afterChanges(workload: Workload): Promise<{ updates: number; deletes: number; recall: number; deletedHits: number; lateFinds: number }> {
  const { index, ingest, close } = await bareIndex(workload, 1).then((engine) => ({ index: engine.index, ingest: engine.ingest, close: engine.close }));
  const { vectors, queries } = workload;
  await ingest();
  let lateFinds = 0;
  for (let version = 1; version <= 10; version++) {
    for (const row of vectors.keys()) {
      const vector = version === 10 ? vectors[row] : vectors[(row + version) % vectors.length];
      index.upsert({ id: String(row), fields: { row }, parts: [{ space: 'own', kinds: ['note'], part: 0, vector }] });
      if (row % 2_000 !== 0) continue;
      const { hits } = await index.search({ space: 'own', vector, limit: 1, filter: { field: 'row', in: [row] } });
      if (hits[0]?.score < 0.999) lateFinds++;
    }
  }
  const counted = 100;
  let found = 0;
  for (let query = 0; query < counted; query++) {
    const { hits } = await index.search({ space: 'own', vector: queries[query], limit });
    const expected = truth(workload, query, undefined);
    found += hits.filter(({ id }) => expected.includes(Number(id))).length / limit;
  }
  let deletedHits = 0;
  for (let query = 0; query < counted; query++) {
    const [best] = (await index.search({ space: 'own', vector: queries[query], limit: 1 })).hits;
    index.delete(best.id);
    const { hits } = await index.search({ space: 'own', vector: queries[query], limit });
    deletedHits += hits.filter(({ id }) => id === best.id).length;
  }
  await close();
  return { updates: 10 * vectors.length, deletes: counted, recall: Number((found / counted).toFixed(4)), deletedHits, lateFinds };
}
