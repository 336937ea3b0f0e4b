import { once } from 'node:events';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { JsonObject } from '@bufbuild/protobuf';
import { type Compressors, parquetMetadataAsync, parquetReadObjects, snappyUncompress } from 'hyparquet';
import type { ImportRow } from './import-row.ts';
import { checkColumns, checkPages, ParquetRefused, rowGroupRange } from './parquet-limits.ts';
import { rowJson, ValueRefused } from './parquet-values.ts';

export interface ParquetStart {
  /** Size of the file. */
  readonly bytes: number;
  /** Rows that are done. */
  readonly after: number;
}

/** What the thread asks for, one question at a time. `read` is answered with bytes, `rows` when more are wanted. */
export type ParquetQuestion =
  | { readonly read: { readonly offset: number; readonly length: number } }
  | { readonly rows: readonly ImportRow[] }
  /** Why the file is not taken. */
  | { readonly refused: string }
  | { readonly end: true };

const largestFooter = 16 * 1024 * 1024;
const rowsAtOnce = 500;

/** Every output is as long as its page's header says, which was added up before. */
const compressors: Compressors = {
  SNAPPY(input, length) {
    const output = new Uint8Array(length);
    snappyUncompress(input, output);
    return output;
  },
  GZIP: bounded(gunzipSync),
  ZSTD: bounded(zstdDecompressSync),
  BROTLI: bounded(brotliDecompressSync),
};

function bounded(decompress: (input: Uint8Array, options: { maxOutputLength: number }) => Uint8Array) {
  return (input: Uint8Array, length: number) => (length === 0 ? new Uint8Array() : decompress(input, { maxOutputLength: length }));
}

async function readRows(port: MessagePort, { bytes: fileBytes, after }: ParquetStart): Promise<void> {
  const ask = async (question: ParquetQuestion): Promise<Uint8Array<ArrayBuffer>> => {
    const answer = once(port, 'message');
    port.postMessage(question);
    return (await answer)[0] as Uint8Array<ArrayBuffer>;
  };
  const read = async (start: number, end = fileBytes) => {
    if (end - start > largestFooter) throw new ParquetRefused(`has a footer of more than ${largestFooter / 2 ** 20} MiB`);
    const bytes = await ask({ read: { offset: start, length: end - start } });
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  };
  const metadata = await parquetMetadataAsync({ byteLength: fileBytes, slice: read });
  checkColumns(metadata);
  const total = Number(metadata.num_rows);
  let first = 0;
  for (const [index, group] of metadata.row_groups.entries()) {
    const rowStart = first;
    const rowEnd = rowStart + Number(group.num_rows);
    first = rowEnd;
    if (rowEnd <= after) continue;
    const { start, end } = rowGroupRange(group, index, fileBytes);
    const bytes = await ask({ read: { offset: start, length: end - start } });
    checkPages(group, index, { bytes, start });
    const slice = (from: number, to = fileBytes) => bytes.buffer.slice(bytes.byteOffset + from - start, bytes.byteOffset + to - start);
    const found = await parquetReadObjects({ file: { byteLength: fileBytes, slice }, metadata, rowStart, rowEnd, compressors, utf8: false });
    for (let done = Math.max(0, after - rowStart); done < found.length; done += rowsAtOnce) {
      const rows = found.slice(done, done + rowsAtOnce).map((row, offset): ImportRow => {
        const number = rowStart + done + offset + 1;
        return { number, end: Math.round((fileBytes * number) / total), ...readRow(row) };
      });
      await ask({ rows });
    }
  }
  port.postMessage({ end: true } satisfies ParquetQuestion);
}

function readRow(row: Record<string, unknown>): Pick<ImportRow, 'json' | 'refusal'> {
  try {
    return { json: rowJson(row) as JsonObject };
  } catch (error) {
    if (error instanceof ValueRefused) return { refusal: { pointer: error.pointer, detail: error.message } };
    throw error;
  }
}

/** Whatever goes wrong here is the file's: nothing else is read. */
if (parentPort && workerData?.after !== undefined) {
  const port = parentPort;
  readRows(port, workerData).catch((error: Error) => port.postMessage({ refused: error instanceof ParquetRefused ? error.message : `cannot be read: ${error.message}` } satisfies ParquetQuestion));
}
