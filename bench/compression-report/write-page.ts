import { readFile, writeFile } from 'node:fs/promises';
import { objectCases, tables, textCases, withTables } from './page.ts';
import { budgetCurves } from './plots.ts';
import type { Difference, Row } from './samples.ts';
import type { Times } from './times.ts';

export interface Result {
  readonly command: string;
  readonly seed: number;
  /** Pictures of each kind. */
  readonly count: number;
  readonly photos: number;
  readonly weights: string;
  readonly node: string;
  readonly times: Times;
  readonly rows: readonly Row[];
  readonly differences: readonly Difference[];
}

export const resultFile = new URL('../results/compression-report.json', import.meta.url);

/** Replaces the tables of docs/compression.md, whose words are written by hand, and its plots. */
export async function writePage({ rows, differences, times }: Result): Promise<void> {
  const docs = new URL('../../docs/', import.meta.url);
  const plot = (name: string, svg: string) => writeFile(new URL(`compression-${name}.svg`, docs), svg);
  await plot('objects', budgetCurves(rows, 'recall', objectCases, 'Does a method keep the object?', 'kept tokens of the object ÷ as many as could be kept'));
  await plot('cover', budgetCurves(rows, 'likeness', ['texture, object 3–10 %', 'photo, object 3–10 %', 'whole photo'], 'Do kept tokens stand for the whole picture?', 'cosine of each token with the kept one most like it, mean'));
  await plot('text', budgetCurves(rows, 'kept', textCases, 'Does a method keep text?', 'kept tokens of text ÷ all tokens of text', 4));
  const page = new URL('compression.md', docs);
  const { encoderMs, selectionMs, machine, load } = times;
  const timesText = `CPU time of one thread a picture, medians of 20 photos (${machine}, load ${load}): encoder ${encoderMs} ms, selection in TypeScript ${selectionMs} ms.`;
  await writeFile(page, withTables(await readFile(page, 'utf8'), { ...tables(rows, differences), times: timesText }));
}
