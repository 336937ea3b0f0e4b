/** Lines with their 95 % intervals, several panels in a row, as SVG. */
import type { Row } from './samples.ts';

const colours: Readonly<Record<string, string>> = {
  EvoCut: '#c2410c',
  'EvoCut + mass guard 10 %': '#f59e0b',
  'EvoCut + mean of 5 seeds': '#7c2d12',
  VisionZip: '#7c3aed',
  ApET: '#0891b2',
  'l2 variation': '#94a3b8',
  random: '#111827',
  'uniform grid': '#059669',
  downsampling: '#2563eb',
};

const [panelWidth, panelHeight, gap, left, top, bottom] = [250, 190, 34, 62, 74, 110];

/**
 * One measure by budget: a panel for each case, a line for each method.
 *
 * @param across panels in a row.
 */
export function budgetCurves(rows: readonly Row[], measure: string, cases: readonly string[], title: string, meaning: string, across = 3): string {
  const own = rows.filter((row) => row.measure === measure && cases.includes(row.case) && row.method in colours);
  const methods = Object.keys(colours).filter((method) => own.some((row) => row.method === method));
  const budgets = [...new Set(own.map(({ budget }) => budget!))].toSorted((a, b) => a - b);
  const down = Math.ceil(cases.length / across);
  const width = left + across * (panelWidth + gap);
  const height = top + down * (panelHeight + 56) + bottom - 56;
  const low = Math.min(0, ...own.map(({ value }) => value.lower));
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${left}" y="24" font-size="15" fill="#111827">${title}</text><text x="${left}" y="42" fill="#6b7280">${meaning}</text>`,
  ];
  cases.forEach((of, at) => {
    const [x0, y0] = [left + (at % across) * (panelWidth + gap), top + Math.floor(at / across) * (panelHeight + 56)];
    const x = (budget: number) => x0 + 14 + (budgets.indexOf(budget) / Math.max(1, budgets.length - 1)) * (panelWidth - 28);
    const y = (value: number) => y0 + panelHeight - ((value - low) / (1 - low)) * panelHeight;
    parts.push(`<text x="${x0}" y="${y0 - 8}" fill="#111827">${of}</text>`);
    for (const value of [0, 0.25, 0.5, 0.75, 1]) {
      parts.push(`<line x1="${x0}" x2="${x0 + panelWidth}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}" stroke="#e5e7eb"/>`);
      if (at % across === 0) parts.push(`<text x="${x0 - 8}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end" fill="#374151">${value}</text>`);
    }
    for (const budget of budgets) parts.push(`<text x="${x(budget).toFixed(1)}" y="${y0 + panelHeight + 18}" text-anchor="middle" fill="#374151">${budget}</text>`);
    methods.forEach((method, place) => {
      const points = own.filter((row) => row.case === of && row.method === method).toSorted((a, b) => a.budget! - b.budget!);
      if (points.length === 0) return;
      const shift = (place - methods.length / 2) * 1.2; // so that intervals do not hide each other
      const dots = points.map(({ budget, value }) => `${(x(budget!) + shift).toFixed(1)},${y(value.estimate).toFixed(1)}`);
      const isOurs = method.startsWith('EvoCut');
      parts.push(`<polyline points="${dots.join(' ')}" fill="none" stroke="${colours[method]}" stroke-width="${isOurs ? 2.5 : 1.5}"${isOurs ? '' : ' stroke-dasharray="6 3"'}/>`);
      for (const { budget, value } of points) {
        const at = (x(budget!) + shift).toFixed(1);
        parts.push(`<line x1="${at}" x2="${at}" y1="${y(value.lower).toFixed(1)}" y2="${y(value.upper).toFixed(1)}" stroke="${colours[method]}"/>`);
      }
    });
  });
  parts.push(`<text x="${left}" y="${height - bottom + 42}" fill="#374151">tokens that a method may keep, of 256; bars are 95 % intervals</text>`);
  methods.forEach((method, at) => {
    const [x, y] = [left + (at % 4) * 200, height - bottom + 64 + Math.floor(at / 4) * 18];
    parts.push(`<line x1="${x}" x2="${x + 20}" y1="${y - 4}" y2="${y - 4}" stroke="${colours[method]}" stroke-width="3"/><text x="${x + 26}" y="${y}" fill="#111827">${method}</text>`);
  });
  return `${[...parts, '</svg>'].join('\n')}\n`;
}
