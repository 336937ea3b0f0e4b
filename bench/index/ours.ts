import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CollectionIndex } from '../../services/retrieval/src/index/collection-index.ts';
import { Scanner } from '../../services/retrieval/src/index/scanner.ts';
import { type Engine, limit } from './engine.ts';
import { dimension } from './synthetic.ts';

/** @param isInFile whether the float vectors are in a file, as they are where the service runs. */
export async function ours({ workers, isInFile }: { workers: number; isInFile: boolean }): Promise<Engine> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-vectors-'));
  const scanner = await Scanner.start({ workers, vectorFolder: isInFile ? folder : undefined });
  const index = new CollectionIndex(scanner, new Map([['text', { dimension }]]));
  return {
    name: `touchstone, exact, ${workers} ${workers === 1 ? 'thread' : 'threads'}${isInFile ? '' : ', all in memory'}`,
    async ingest({ vectors, fields }) {
      const start = performance.now();
      vectors.forEach((vector, at) => index.upsert({ id: String(at), fields: fields[at], parts: [{ space: 'text', kinds: ['text', 'note'], part: 0, vector }] }));
      await index.search({ space: 'text', vector: vectors[0], limit });
      const seconds = (performance.now() - start) / 1000;
      const { scannedBytes, listBytes, rescoringBytes } = index.usage;
      const of = (bytes: number) => Math.round(bytes / vectors.length);
      const bytesAre = `memory: ${of(scannedBytes)} scanned, ${of(listBytes)} in lists of rows${isInFile ? ', and 1024 in a file' : ', the rest float32 for rescoring'}; ids and posting lists come on top`;
      return { seconds, bytesPerVector: of(scannedBytes + listBytes + rescoringBytes), bytesAre };
    },
    async run(queries, field) {
      const filter = field === undefined ? undefined : { field, in: [1] };
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
      await rm(folder, { recursive: true });
    },
  };
}
