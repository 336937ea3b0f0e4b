/** Tables of docs/compression.md, each between two comments that name it. */
import type { Interval } from '@touchstone/statistics';
import type { Difference, Row } from './samples.ts';
import { smallBudget, textBudgets } from './studies.ts';
import { textKinds } from './text-pictures.ts';

export const sizes = ['3–10 %', '19–32 %', '66–77 %'];
export const objectCases = ['texture', 'photo'].flatMap((ground) => sizes.map((size) => `${ground}, object ${size}`));
export const textCases = textKinds.map((kind) => `text, ${kind}`);

/** AUC / recall of 28 tokens, measured before this report existed: 54 to 90 objects on photos of grass, bricks and gravel. */
const earlier: Readonly<Record<string, readonly string[]>> = {
  'stride, I = 2 (ours)': ['0.992 / 0.96', '0.961 / 0.98', '0.831 / 0.99'],
  'k-means++, fixed seed': ['0.994 / 0.97', '0.953 / 0.97', '0.855 / 0.99'],
  'farthest point': ['0.422 / 0.08', '0.770 / 0.64', '0.812 / 0.95'],
  'farthest point + mass guard 6 %': ['1.000 / 1.00', '0.913 / 0.98', '0.841 / 0.99'],
  'stride + mass guard 10 %': ['1.000 / 1.00', '0.964 / 0.99', '0.846 / 1.00'],
  'stride, 64 random projections': ['0.992 / 0.96', '0.958 / 0.98', '0.825 / 0.99'],
  'one group (M = 1)': ['1.000 / 1.00', '1.000 / 1.00', '0.704 / 0.99'],
};

const short = ({ estimate, lower, upper }: Interval) => `${estimate.toFixed(2)} (${lower.toFixed(2)}–${upper.toFixed(2)})`;
const percent = (value: number) => `${Math.round(100 * value)} %`;

/** Markdown with what stands between `<!-- NAME -->` and `<!-- /NAME -->` replaced. @throws Error for a name without its comments. */
export function withTables(page: string, tables: Readonly<Record<string, string>>): string {
  return Object.entries(tables).reduce((text, [name, table]) => {
    const [from, to] = [text.indexOf(`<!-- ${name} -->`), text.indexOf(`<!-- /${name} -->`)];
    if (from < 0 || to < from) throw new Error(`docs/compression.md: expected <!-- ${name} --> and <!-- /${name} -->`);
    return `${text.slice(0, from)}<!-- ${name} -->\n\n${table}\n\n${text.slice(to)}`;
  }, page);
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]) => [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

export function tables(rows: readonly Row[], differences: readonly Difference[]): Record<string, string> {
  const find = (of: string, measure: string, method: string, budget?: number) => rows.find((row) => row.case === of && row.measure === measure && row.method === method && row.budget === budget)?.value;
  const cell = (of: string, measure: string, method: string, budget?: number) => {
    const value = find(of, measure, method, budget);
    return value ? short(value) : '–';
  };
  const methodsOf = (measure: string, of: readonly string[]) => [...new Set(rows.filter((row) => row.measure === measure && of.includes(row.case)).map(({ method }) => method))];
  /** A row for each method, a column for each case. */
  const byCase = (measure: string, cases: readonly string[], budget?: number) => table(['', ...cases], methodsOf(measure, cases).map((method) => [method, ...cases.map((of) => cell(of, measure, method, budget))]));

  return {
    auc: byCase('auc', objectCases),
    kinds: table(['', ...objectCases], ['EvoCut', 'VisionZip'].flatMap((method) => ['drawings', 'pieces of photos'].map((kind) => [`${method}, ${kind}`, ...objectCases.map((of) => cell(`${of}, ${kind}`, 'auc', method))]))),
    recall: byCase('recall', objectCases, smallBudget),
    sides: byCase('sides', objectCases, smallBudget),
    named: byCase('named', objectCases, smallBudget),
    cover: table(['', '16 tokens', '28', '57', '85'], methodsOf('likeness', ['whole photo']).map((method) => [method, ...[16, 28, 57, 85].map((budget) => cell('whole photo', 'likeness', method, budget))])),
    losses: losses(differences),
    variants: table(
      ['', ...sizes.flatMap((size) => [`${size}, here`, 'earlier']), ...sizes.map((size) => `on photos, ${size}`)],
      methodsOf('auc', [`variants: ${objectCases[0]}`]).map((method) => {
        const pair = (of: string) => `${find(`variants: ${of}`, 'auc', method)!.estimate.toFixed(3)} / ${find(`variants: ${of}`, 'recall', method, smallBudget)!.estimate.toFixed(2)}`;
        return [method, ...sizes.flatMap((size, at) => [pair(`texture, object ${size}`), earlier[method]?.[at] ?? '–']), ...sizes.map((size) => pair(`photo, object ${size}`))];
      }),
    ),
    seeds: byCase('jaccard', ['whole photo', 'texture, object 3–10 %'], smallBudget),
    text: table(
      ['', ...textKinds.flatMap((kind) => [`${kind}: kept of ${smallBudget}`, `of ${textBudgets.at(-1)}`])],
      methodsOf('kept', textCases).map((method) => [method, ...textCases.flatMap((of) => [smallBudget, textBudgets.at(-1)!].map((budget) => cell(of, 'kept', method, budget)))]),
    ),
    floor: table(['', ...textKinds], [
      ['*share of tokens with text*', ...textCases.map((of) => percent(find(of, 'text share', 'all tokens')!.estimate))],
      ...methodsOf('floor', textCases).map((method) => [method, ...textCases.map((of) => percent(find(of, 'floor', method)!.estimate))]),
    ]),
    repeats: table(['', ...['texture', 'photo'].flatMap((ground) => [smallBudget, 57].map((budget) => `${ground}, ${budget} tokens`))], methodsOf('seen', ['8 small copies on a texture']).map((method) => [method, ...['texture', 'photo'].flatMap((ground) => [smallBudget, 57].map((budget) => cell(`8 small copies on a ${ground}`, 'seen', method, budget)))])),
  };
}

const words: Readonly<Record<string, string>> = { recall: 'object kept', sides: 'object told from ground', named: 'drawing named', likeness: 'stands for all tokens', kept: 'text kept', seen: 'copies seen' };

/** EvoCut less each rival: bold where it is surely less, a dot where the interval holds 0; and how often each is so. */
export function losses(differences: readonly Difference[]): string {
  const own = differences.filter(({ measure }) => measure in words);
  const rivals = [...new Set(own.map(({ rival }) => rival))];
  const rows = [...Map.groupBy(own, ({ case: of, measure }) => `${of}|${measure}`)].map(([key, some]) => {
    const [of, measure] = key.split('|');
    return [`${of}: ${words[measure]}`, ...rivals.map((rival) => shown(some.find((each) => each.rival === rival)?.value))];
  });
  const counts = rivals.map((rival) => {
    const values = own.filter((each) => each.rival === rival).map(({ value }) => value);
    return `**${values.filter(({ upper }) => upper < 0).length}** / ${values.filter(({ lower }) => lower > 0).length} of ${values.length}`;
  });
  return table(['EvoCut less …', ...rivals], [...rows, ['*surely less / surely more*', ...counts]]);
}

function shown(value: Interval | undefined): string {
  if (!value) return '–';
  const text = `${value.estimate > 0 ? '+' : '−'}${Math.abs(value.estimate).toFixed(2)}`;
  if (value.upper < 0) return `**${text}**`;
  return value.lower > 0 ? text : '·';
}
