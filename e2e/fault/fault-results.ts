import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { TestContext } from 'vitest';
import type { Reporter, TestModule } from 'vitest/node';

/** Outages as long as the goals have them, many rounds, and a result file; without it each fault once, in a few minutes. */
export const isFull = process.env.TOUCHSTONE_FAULTS === 'full';

/** What became of one fault. */
export interface FaultRow {
  readonly fault: string;
  readonly seen: string;
  /** From the end of the fault, or from a kill, until a new write was acknowledged, or until what is said in `seen`. */
  readonly recoveryMs?: number;
  readonly stillWorked?: string;
  readonly seed?: number;
}

interface StoredRow extends FaultRow {
  readonly date: string;
  readonly command: string;
}

declare module 'vitest' {
  interface TaskMeta {
    faults?: FaultRow[];
  }
}

/** Hands a row to the report of the run. */
export function record({ task }: TestContext, row: FaultRow): void {
  console.info(JSON.stringify(row));
  (task.meta.faults ??= []).push(row);
}

const resultFile = fileURLToPath(new URL('../../bench/results/faults.json', import.meta.url));
const pageFile = fileURLToPath(new URL('../../docs/reliability.md', import.meta.url));
const [begin, end] = ['<!-- written by npm run test:faults -->', '<!-- end -->'];

/** Writes the rows of a full run into `bench/results/faults.json` and the table of docs/reliability.md; others stay as they are. */
export class FaultReport implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const date = new Date().toISOString().slice(0, 10);
    const measured: StoredRow[] = modules.flatMap((module) =>
      [...module.children.allTests('passed')].flatMap((test) =>
        (test.meta().faults ?? []).map((row) => ({ ...row, date, command: `npm run test:faults -- ${module.relativeModuleId.replace(/.*\//, '').replace('.fault.ts', '')}` })),
      ),
    );
    if (measured.length === 0) return;
    const stored = readRows().filter(({ fault }) => !measured.some((row) => row.fault === fault));
    const rows = [...stored, ...measured].sort((one, other) => one.fault.localeCompare(other.fault));
    const machine = { cores: availableParallelism(), memoryGB: Math.round(totalmem() / 1e9), node: process.version };
    writeFileSync(resultFile, `${JSON.stringify({ date, command: 'npm run test:faults', machine, rows }, undefined, 2)}\n`);
    const page = readFileSync(pageFile, 'utf8');
    const [before, after] = [page.slice(0, page.indexOf(begin) + begin.length), page.slice(page.indexOf(end))];
    writeFileSync(pageFile, `${before}\n${table(rows)}\n${after}`);
  }
}

function readRows(): StoredRow[] {
  try {
    return (JSON.parse(readFileSync(resultFile, 'utf8')) as { rows: StoredRow[] }).rows;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function table(rows: readonly StoredRow[]): string {
  const lines = rows.map(({ fault, command, seed, seen, recoveryMs, stillWorked }) => {
    const took = recoveryMs === undefined ? '–' : recoveryMs < 1_000 ? `${recoveryMs} ms` : `${(recoveryMs / 1_000).toFixed(1)} s`;
    return `| ${[fault, seen, took, stillWorked ?? '–', `\`${command}\`${seed === undefined ? '' : `, seed ${seed}`}`].join(' | ')} |`;
  });
  return ['| fault | seen | recovery | what still worked | command |', '|---|---|---|---|---|', ...lines].join('\n');
}
