import { type Row } from './measure.ts';

const [width, height, left, top, right, bottom] = [860, 460, 70, 46, 270, 60];
const colours = ['#c2410c', '#7c2d12', '#2563eb', '#059669', '#7c3aed', '#0891b2', '#64748b'];

/** p50 by selectivity, both logarithmic: a line for each engine at our recall or its best, with its lowest recall. */
export function selectivityCurves(rows: readonly Row[], title: string): string {
  const lines = [...Map.groupBy(rows, ({ engine }) => engine)].map(([engine, own]) => {
    const perFilter = [...Map.groupBy(own, ({ share }) => share ?? 1).values()].map((some) => some.find(({ chosen }) => chosen !== 'standard') ?? some[0]);
    const points = perFilter.map((row) => ({ ...row, share: row.share ?? 1 }));
    return { engine, points: points.toSorted((a, b) => a.share - b.share), lowest: Math.min(...points.map(({ recall }) => recall)) };
  });
  const times = lines.flatMap(({ points }) => points.map(({ p50Ms }) => p50Ms));
  const [low, high] = [Math.floor(Math.log10(Math.min(...times))), Math.ceil(Math.log10(Math.max(...times)))];
  const shares = [...new Set(lines.flatMap(({ points }) => points.map(({ share }) => share)))].toSorted((a, b) => a - b);
  const x = (share: number) => left + (shares.indexOf(share) / Math.max(1, shares.length - 1)) * (width - left - right);
  const y = (ms: number) => height - bottom - ((Math.log10(ms) - low) / Math.max(1, high - low)) * (height - top - bottom);
  const ticks = Array.from({ length: high - low + 1 }, (_, at) => 10 ** (low + at));
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${left}" y="24" font-size="15" fill="#111827">${title}</text>`,
    ...ticks.map((ms) => `<line x1="${left}" x2="${width - right}" y1="${y(ms)}" y2="${y(ms)}" stroke="#e5e7eb"/><text x="${left - 8}" y="${y(ms) + 4}" text-anchor="end" fill="#374151">${ms} ms</text>`),
    ...shares.map((share) => `<text x="${x(share)}" y="${height - bottom + 20}" text-anchor="middle" fill="#374151">${share === 1 ? 'no filter' : `${100 / share} %`}</text>`),
    `<text x="${(left + width - right) / 2}" y="${height - 14}" text-anchor="middle" fill="#374151">rows that match the filter; p50 of one search, lower is better</text>`,
    ...lines.flatMap(({ engine, points, lowest }, at) => {
      const colour = colours[at % colours.length];
      const place = points.map(({ share, p50Ms }) => `${x(share).toFixed(1)},${y(p50Ms).toFixed(1)}`);
      const label = `<text x="${width - right + 34}" y="${top + 14 + at * 34}" fill="#111827">${engine.replaceAll('&', '&amp;')}</text><text x="${width - right + 34}" y="${top + 28 + at * 34}" fill="#6b7280" font-size="11">lowest recall ${lowest.toFixed(3)}</text>`;
      const dash = engine.startsWith('Touchstone') ? '' : ' stroke-dasharray="6 3"';
      return [
        `<polyline points="${place.join(' ')}" fill="none" stroke="${colour}" stroke-width="2.5"${dash}/>`,
        ...place.map((point) => `<circle cx="${point.split(',')[0]}" cy="${point.split(',')[1]}" r="3.5" fill="${colour}"/>`),
        `<line x1="${width - right + 8}" x2="${width - right + 28}" y1="${top + 10 + at * 34}" y2="${top + 10 + at * 34}" stroke="${colour}" stroke-width="3"/>`,
        label,
      ];
    }),
    '</svg>',
  ];
  return `${parts.join('\n')}\n`;
}
