import { CollectionIndex } from '../../services/retrieval/src/index/collection-index.ts';
import { Scanner } from '../../services/retrieval/src/index/scanner.ts';
import { type Engine, limit } from './engine.ts';
import { dimension } from './synthetic.ts';

export async function ours(workers: number): Promise<Engine> {
  const scanner = await Scanner.start({ workers });
  const index = new CollectionIndex(scanner, new Map([['text', { dimension }]]));
  return {
    name: `touchstone, exact, ${workers} ${workers === 1 ? 'thread' : 'threads'}`,
    async ingest({ vectors, categories }) {
      const start = performance.now();
      vectors.forEach((vector, at) => index.upsert({ id: String(at), fields: { category: categories[at] }, parts: [{ space: 'text', kinds: ['text'], part: 0, vector }] }));
      await index.search({ space: 'text', vector: vectors[0], limit });
      const { scannedBytes, rescoringBytes } = index.usage;
      const seconds = (performance.now() - start) / 1000;
      return { seconds, bytesPerVector: (scannedBytes + rescoringBytes) / vectors.length, bytesAre: `blocks held: ${Math.round(scannedBytes / vectors.length)} scanned, the rest float32 for rescoring` };
    },
    async run(queries, category) {
      const filter = category === undefined ? undefined : { field: 'category', in: [category] };
      const ms: number[] = [];
      const hits: number[][] = [];
      for (const vector of queries) {
        const start = performance.now();
        const result = await index.search({ space: 'text', vector, limit, filter });
        ms.push(performance.now() - start);
        hits.push(result.hits.map(({ id }) => Number(id)));
      }
      return { ms, hits };
    },
    async close() {
      index.close();
      await scanner.close();
    },
  };
}
