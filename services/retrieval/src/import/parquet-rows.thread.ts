import { on } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { ImportRow } from './import-row.ts';
import { ParquetRefused } from './parquet-limits.ts';
import type { ParquetQuestion, ParquetStart } from './parquet.worker.ts';

/** A file that can be read anywhere. */
export interface ParquetFile {
  readonly bytes: number;
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** Heap of the thread; typed arrays beside it are bounded by `rowGroupLimits`. */
const heapMb = 768;

/**
 * The rows of a Parquet file in their order, one row group in memory at a time. They are decoded in a thread of their own:
 * a request that comes meanwhile does not wait, and a file that takes too much ends the thread and not the process.
 *
 * @param after rows that are done.
 * @throws ParquetRefused for a file that we do not take, and what `file.read` throws.
 */
export async function* parquetRows(file: ParquetFile, after: number): AsyncIterable<ImportRow> {
  const start: ParquetStart = { bytes: file.bytes, after };
  const worker = new Worker(new URL(`./parquet.worker${extname(import.meta.url)}`, import.meta.url), { workerData: start, resourceLimits: { maxOldGenerationSizeMb: heapMb } });
  try {
    for await (const [question] of on(worker, 'message', { close: ['exit'] }) as AsyncIterable<[ParquetQuestion]>) {
      if ('refused' in question) throw new ParquetRefused(question.refused);
      if ('end' in question) return;
      if ('rows' in question) {
        yield* question.rows;
        worker.postMessage(undefined);
      } else {
        const { offset, length } = question.read;
        const bytes = await file.read(offset, length);
        worker.postMessage(bytes, [bytes.buffer]);
      }
    }
    throw new Error('The thread that reads Parquet ended by itself.');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_WORKER_OUT_OF_MEMORY') throw error;
    throw new ParquetRefused(`needs more than ${heapMb} MB of memory for a row group; write the file with smaller ones`);
  } finally {
    await worker.terminate();
  }
}
