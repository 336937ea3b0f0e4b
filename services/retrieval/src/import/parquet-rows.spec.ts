import { readFile } from 'node:fs/promises';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { CompressionCodec } from 'hyparquet';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import type { ImportRow } from './import-row.ts';
import { type ParquetFile, parquetRows } from './parquet-rows.thread.ts';

interface Reading {
  rows: ImportRow[];
  /** Bytes that were read, by call. */
  reads: number[];
}

async function read(bytes: Uint8Array, after = 0): Promise<Reading> {
  const reads: number[] = [];
  const file: ParquetFile = {
    bytes: bytes.length,
    async read(offset, length) {
      reads.push(length);
      return new Uint8Array(bytes.subarray(offset, offset + length));
    },
  };
  const rows: ImportRow[] = [];
  for await (const row of parquetRows(file, after)) rows.push(row);
  return { rows, reads };
}

const written = (columnData: ColumnSource[], options: Partial<Parameters<typeof parquetWriteBuffer>[0]> = {}) => new Uint8Array(parquetWriteBuffer({ columnData, ...options }));
const ids = (count: number): ColumnSource => ({ name: 'id', type: 'STRING', data: Array.from({ length: count }, (_, index) => `item-${index}`) });

describe('a file of pyarrow', async () => {
  const file = new Uint8Array(await readFile(new URL('./fixture/items.parquet', import.meta.url)));
  const { rows, reads } = await read(file);

  it('has rows as JSON would have them: nested, without nulls, bytes of pictures in base64', () => {
    expect(rows).toHaveLength(12);
    expect(rows[5]).toEqual({
      number: 6,
      end: Math.round(file.length / 2),
      json: {
        id: 'item-5',
        title: 'Item 5: grüße 🎈',
        createdAt: '2026-02-05T12:00:00.000Z',
        attributes: { number: 5, tags: ['a', 'b'], deep: { yes: false } },
        images: [{ base64: 'aGVsbG8=', ocrText: 'says hello' }],
        vectors: { own: { note: [Math.fround(Math.cos(5)), Math.fround(Math.sin(5)), 0, 0] } },
      },
    });
    expect(rows[0].json).toMatchObject({ category: 'even', attributes: { tags: [] }, images: [] });
    expect(rows[3].json).not.toHaveProperty('title');
    expect(rows.at(-1)!.end).toBe(file.length);
  });

  it('is read by row groups', () => expect(reads).toHaveLength(1 + 3)); // The footer, then each of them.

  it('goes on after any row, without the row groups before', async () => {
    for (let after = 0; after <= 12; after += 1) {
      const rest = await read(file, after);
      expect(rest.rows).toEqual(rows.slice(after));
      expect(rest.reads).toHaveLength(1 + [5, 10, 12].filter((end) => end > after).length);
    }
  });
});

describe('codecs', () => {
  it.each<[CompressionCodec, ((input: Uint8Array) => Uint8Array) | undefined]>([
    ['UNCOMPRESSED', undefined],
    ['SNAPPY', undefined],
    ['GZIP', gzipSync],
    ['ZSTD', zstdCompressSync],
    ['BROTLI', brotliCompressSync],
  ])('%s', async (codec, compress) => {
    const title: ColumnSource = { name: 'title', type: 'STRING', data: Array.from({ length: 2_000 }, (_, index) => `${'long '.repeat(20)}${index}`) };
    const { rows } = await read(written([ids(2_000), title], { codec, ...(compress ? { compressors: { [codec]: compress } } : {}) }));
    expect(rows.map(({ json }) => (json as { title: string }).title)).toEqual(title.data);
  });

  it('another one is refused by name', async () => {
    const file = written([ids(10)], { codec: 'LZ4', compressors: { LZ4: (input) => input } });
    await expect(read(file)).rejects.toThrow('cannot be read: parquet unsupported compression codec: LZ4');
  });
});

it('takes attributes and vectors as text of JSON, or as JSON', async () => {
  const { rows } = await read(
    written([
      ids(2),
      { name: 'attributes', type: 'STRING', data: ['{"a":[1,null]}', '{"a"'] },
      { name: 'vectors', type: 'JSON', data: [{ own: { note: [1, 0] } }, null] },
    ]),
  );
  expect(rows[0].json).toEqual({ id: 'item-0', attributes: { a: [1, null] }, vectors: { own: { note: [1, 0] } } });
  expect(rows[1]).toMatchObject({ number: 2, refusal: { pointer: '/attributes', detail: expect.stringContaining('is text but not JSON') } });
});

it.each<[string, ColumnSource, string]>([
  ['an integer that no double holds', { name: 'title', type: 'INT64', data: [2n ** 60n] }, 'is beyond the integers'],
  ['no number', { name: 'title', type: 'DOUBLE', data: [Number.NaN] }, 'is NaN'],
  ['bytes that are no text', { name: 'title', type: 'BYTE_ARRAY', data: [new Uint8Array([0xff])] }, 'is not UTF-8'],
  ['a text without end', { name: 'title', type: 'STRING', data: ['x'.repeat(2 ** 20 + 1)] }, 'is longer than 1048576 characters'],
])('refuses a row with %s and reads the others', async (_, column, detail) => {
  const good = column.type === 'INT64' ? 7n : column.type === 'DOUBLE' ? 7 : column.type === 'STRING' ? 'seven' : new Uint8Array([0x37]);
  const { rows } = await read(written([ids(2), { ...column, data: [...(column.data as unknown[]), good] }]));
  expect(rows[0]).toMatchObject({ number: 1, refusal: { pointer: '/title', detail: expect.stringContaining(detail) } });
  expect(rows[1]).toHaveProperty('json');
});

describe('refuses a file', () => {
  const good = written([ids(3_000)], { rowGroupSize: 1_000 });

  it('with a column that no item has', async () => {
    await expect(read(written([ids(1), { name: '__index_level_0__', data: [1] }]))).rejects.toThrow('has a column "__index_level_0__"; an item has id, title, body');
  });

  it('that is cut off, or has nothing but its mark', async () => {
    await expect(read(good.subarray(0, -10))).rejects.toThrow('cannot be read');
    await expect(read(new TextEncoder().encode('PAR1'))).rejects.toThrow('cannot be read');
  });

  it('whose row group is larger than is taken', async () => {
    const rows = 1_000_001;
    const same = { type: 'BOOLEAN', data: Array<boolean>(rows).fill(true) } as const;
    await expect(read(written([{ name: 'title', ...same }], { rowGroupSize: rows }))).rejects.toThrow('row group 0 has 1000001 rows, more than 1000000; write the file with smaller row groups');
    const many = ['id', 'title', 'body', 'category', 'author', 'createdAt', 'attributes', 'images', 'vectors'].map((name) => ({ name, type: 'BOOLEAN', data: same.data.slice(1) }) as const);
    await expect(read(written(many, { rowGroupSize: rows }))).rejects.toThrow('row group 0 has more than 8000000 values');
  });

  it('whose pages are more than its metadata say', async () => {
    // 200 MB of zeros in 200 kB.
    const bomb = gzipSync(new Uint8Array(200_000_000));
    const file = written([{ name: 'id', type: 'STRING', data: ['x'.repeat(1_000)] }], { codec: 'GZIP', compressors: { GZIP: () => bomb }, statistics: false });
    await expect(read(file)).rejects.toThrow(/cannot be read: .*(larger than 1004|1004 bytes|maxOutputLength)/i);
  });

  it('with a byte that is wrong, in words or as rows', async () => {
    for (let flip = 4; flip < good.length; flip += 499) {
      const broken = good.slice();
      broken[flip] ^= 0x5a;
      const outcome = await read(broken).then(({ rows }) => rows.length, (error: Error) => error.message);
      if (typeof outcome === 'string') expect(outcome).toMatch(/^(cannot be read: |has |row group |keeps |needs )/);
      else expect(outcome).toBeLessThanOrEqual(1_000_000);
    }
  });
});
