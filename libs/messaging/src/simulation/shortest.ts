import { runHistory } from './history.ts';
import type { History, HistoryOptions } from './history.types.ts';

/** A failing history with as few events, faults and lost answers as it takes, found by leaving out one thing at a time. */
export async function shortest(options: HistoryOptions): Promise<{ options: HistoryOptions; history: History }> {
  let best = { options, history: await runHistory(options) };
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (const smaller of smallerThan(best.options)) {
      const history = await runHistory(smaller);
      if (!history.violation) continue;
      best = { options: smaller, history };
      isSmaller = true;
      break;
    }
  }
  return best;
}

function* smallerThan(options: HistoryOptions): Generator<HistoryOptions> {
  const { events, faults, lossRate } = options;
  if (lossRate > 0) yield { ...options, lossRate: 0 };
  for (let index = 0; index < faults.length; index += 1) yield { ...options, faults: faults.toSpliced(index, 1) };
  if (events > 2) yield { ...options, events: Math.max(2, 2 * Math.floor(events / 4)) };
  if (events > 2) yield { ...options, events: events - 2 };
}

/** What a person needs to understand and repeat a failure. */
export function report({ options, history }: { options: HistoryOptions; history: History }): string {
  const { seed, transport, events, faults } = options;
  return [
    `${history.violation!.message} (seed ${seed}, ${transport}, ${events} events, faults: ${faults.map(({ at, kind }) => `${kind} at ${at}`).join(', ') || 'none'})`,
    ...history.trace.slice(-120),
  ].join('\n  ');
}
