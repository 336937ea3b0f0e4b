import type { ColumnMetaData, DataReader, FileMetaData, PageHeader, RowGroup } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';

/**
 * What one row group may take. It is decoded as a whole, and its headers are not to be believed: sizes are added up before
 * anything is made of them. A vector of 384 numbers counts 384 values.
 */
export const rowGroupLimits = { rows: 1_000_000, values: 8_000_000, bytes: 128 * 1024 * 1024 };

/** A file that we do not take; the message is for its owner. */
export class ParquetRefused extends Error {}

const columns = ['id', 'title', 'body', 'category', 'author', 'createdAt', 'attributes', 'images', 'vectors'];

/** @throws ParquetRefused when a column is no field of an item. */
export function checkColumns({ row_groups, schema }: FileMetaData): void {
  const paths = row_groups.flatMap(({ columns: chunks }) => chunks.map(({ meta_data }) => meta_data?.path_in_schema ?? []));
  const unknown = paths.find(([name]) => !columns.includes(name))?.[0];
  if (unknown !== undefined) throw new ParquetRefused(`has a column ${JSON.stringify(unknown.slice(0, 100))}; an item has ${columns.join(', ')}`);
  if (schema.some(({ name }) => name === '__proto__')) throw new ParquetRefused('has a column __proto__');
}

/**
 * Where a row group lies in the file.
 *
 * @returns first byte and the one behind the last.
 * @throws ParquetRefused when it is larger than is taken or lies elsewhere.
 */
export function rowGroupRange(group: RowGroup, index: number, fileBytes: number): { start: number; end: number } {
  const { rows, values, bytes } = rowGroupLimits;
  const refuse = (what: string) => new ParquetRefused(`row group ${index} ${what}; write the file with smaller row groups (pyarrow: row_group_size=10000)`);
  if (Number(group.num_rows) > rows) throw refuse(`has ${group.num_rows} rows, more than ${rows}`);
  const chunks = group.columns.map(metaOf);
  const sum = (of: (chunk: ColumnMetaData) => bigint | number) => chunks.reduce((total, chunk) => total + Number(of(chunk)), 0);
  if (sum(({ num_values }) => num_values) > values) throw refuse(`has more than ${values} values`);
  if (sum(({ total_uncompressed_size }) => total_uncompressed_size) > bytes) throw refuse(`has more than ${bytes / 2 ** 20} MiB`);
  const ranges = chunks.map(chunkRange);
  const [start, end] = [Math.min(...ranges.map((range) => range.start)), Math.max(...ranges.map((range) => range.end))];
  if (ranges.some((range) => range.end < range.start) || start < 0 || end > fileBytes) throw new ParquetRefused(`row group ${index} lies outside of the file`);
  if (end - start > bytes) throw refuse(`takes more than ${bytes / 2 ** 20} MiB of the file`);
  return { start, end };
}

/**
 * Adds up what the pages of a row group say of themselves.
 *
 * @param bytes of the row group, from `start` of the file on.
 * @throws ParquetRefused when that is more than is taken, or a page is encoded in a way that can be blown up.
 */
export function checkPages(group: RowGroup, index: number, { bytes, start }: { bytes: Uint8Array<ArrayBuffer>; start: number }): void {
  let [values, size] = [0, 0];
  for (const chunk of group.columns.map(metaOf)) {
    const range = chunkRange(chunk);
    const reader: DataReader = { view: new DataView(bytes.buffer, bytes.byteOffset + range.start - start, range.end - range.start), offset: 0 };
    while (reader.offset < reader.view.byteLength - 1) {
      const header = parquetHeader(reader);
      const { count, encoding } = contentOf(header);
      if (!(header.compressed_page_size >= 0) || !(header.uncompressed_page_size >= 0) || !(count >= 0)) throw new ParquetRefused(`row group ${index} has a page of no size`);
      if (encoding === 'DELTA_BYTE_ARRAY') throw new ParquetRefused(`${chunk.path_in_schema.join('.')} is encoded as DELTA_BYTE_ARRAY, which is not taken`);
      values += count;
      size += header.uncompressed_page_size;
      reader.offset += header.compressed_page_size;
      if (reader.offset > reader.view.byteLength) throw new ParquetRefused(`row group ${index} has a page that goes beyond its column`);
      // Dictionaries come on top of the values that the metadata count.
      if (values > 2 * rowGroupLimits.values || size > rowGroupLimits.bytes) throw new ParquetRefused(`row group ${index} has pages of more values or bytes than are taken`);
    }
  }
}

function contentOf({ data_page_header, data_page_header_v2, dictionary_page_header }: PageHeader): { count: number; encoding?: string } {
  const content = data_page_header ?? data_page_header_v2;
  return { count: content?.num_values ?? dictionary_page_header?.num_values ?? 0, encoding: content?.encoding };
}

function metaOf({ meta_data, file_path }: RowGroup['columns'][number]): ColumnMetaData {
  if (!meta_data || file_path) throw new ParquetRefused('keeps columns in other files');
  return meta_data;
}

function chunkRange({ dictionary_page_offset, data_page_offset, total_compressed_size }: ColumnMetaData): { start: number; end: number } {
  const start = Number(dictionary_page_offset || data_page_offset);
  return { start, end: start + Number(total_compressed_size) };
}
