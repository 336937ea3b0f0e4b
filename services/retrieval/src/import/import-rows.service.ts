import type { JsonValue } from '@bufbuild/protobuf';
import { Injectable } from '@nestjs/common';
import type { CallOptions } from '@touchstone/contracts';
import { type BlobFile, BlobFiles } from '@touchstone/files';
import { fileRefused } from './import.errors.ts';
import type { ImportRow } from './import-row.ts';
import { type Line, lines } from './lines.ts';
import { ParquetRefused } from './parquet-limits.ts';
import { parquetRows } from './parquet-rows.thread.ts';

const maximumLineBytes = 1024 * 1024;
/** At both ends of a Parquet file. */
const parquetMark = 'PAR1';

/** Reads the rows of a blob, JSON Lines or Parquet: its first bytes say which, not what its writer said. */
@Injectable()
export class ImportRows {
  constructor(private readonly blobFiles: BlobFiles) {}

  /**
   * @param call with a token that reads the blob.
   * @param after the row that is done, and where it ended.
   * @throws Problem invalid-request, also while rows are read, for a file that is neither.
   */
  async open(blobId: string, call: CallOptions, after: { number: number; end: number }): Promise<{ bytes: number; rows: AsyncIterable<ImportRow> }> {
    const read = async (offset: number, length: number) => whole(await this.blobFiles.open(blobId, call, { offset, length }), length);
    const { bytes, mark } = await this.begin(blobId, call);
    if (mark === parquetMark) return { bytes, rows: asProblems(parquetRows({ bytes, read }, after.number)) };
    const { pieces } = await this.blobFiles.open(blobId, call);
    return { bytes, rows: jsonRows(lines(pieces, { maximumBytes: maximumLineBytes, after })) };
  }

  private async begin(blobId: string, call: CallOptions): Promise<{ bytes: number; mark: string }> {
    const file = await this.blobFiles.open(blobId, call, { length: parquetMark.length });
    return { bytes: file.bytes, mark: new TextDecoder().decode(await whole(file, Math.min(parquetMark.length, file.bytes))) };
  }
}

async function whole({ pieces }: BlobFile, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  let position = 0;
  for await (const piece of pieces) {
    bytes.set(piece, position);
    position += piece.length;
  }
  if (position < length) throw new Error(`A blob gave ${position} bytes where ${length} were asked for`);
  return bytes;
}

async function* jsonRows(all: AsyncIterable<Line>): AsyncIterable<ImportRow> {
  for await (const { number, end, text, refusal = '' } of all) {
    if (text === undefined) yield { number, end, refusal: { pointer: '', detail: refusal } };
    else yield { number, end, ...parsed(text) };
  }
}

function parsed(text: string): Pick<ImportRow, 'json' | 'refusal'> {
  try {
    return { json: JSON.parse(text) as JsonValue };
  } catch (error) {
    return { refusal: { pointer: '', detail: `is not JSON: ${(error as Error).message}` } };
  }
}

async function* asProblems(rows: AsyncIterable<ImportRow>): AsyncIterable<ImportRow> {
  try {
    yield* rows;
  } catch (error) {
    throw error instanceof ParquetRefused ? fileRefused(error) : error;
  }
}
