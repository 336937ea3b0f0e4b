import { log } from '@touchstone/runtime/logging';
import { beforeAll, expect, it } from 'vitest';
import { printedSeed } from '../fixture/printed-seed.ts';
import { faultsOf } from './faults.ts';
import { runHistory } from './history.ts';
import type { HistoryOptions } from './history.types.ts';
import { report, shortest } from './shortest.ts';
import type { Mistake } from './store.ts';

const histories = Number(process.env.HISTORIES ?? 2_000);

beforeAll(() => {
  log.level = 'silent'; // Failures are what happens here.
});

const optionsOf = (seed: number, transport: HistoryOptions['transport'], mistake?: Mistake): HistoryOptions => ({ seed, transport, events: 24, faults: faultsOf(seed), lossRate: 0.02, mistake });

it.each(['local', 'kafka'] as const)(`${histories / 2} histories of events over the %s transport and of operations lose nothing, double nothing and keep the order`, async (transport) => {
  const first = printedSeed();
  let [steps, operations, takeovers] = [0, 0, 0];
  for (let seed = first; seed < first + histories / 2; seed += 1) {
    const history = await runHistory(optionsOf(seed, transport));
    if (history.violation) expect.fail(report(await shortest(optionsOf(seed, transport))));
    steps += history.trace.length;
    operations += history.operations;
    takeovers += history.takeovers;
  }
  console.log(`${steps} steps, ${operations} operations, ${takeovers} of them taken again`);
  expect(steps).toBeGreaterThan(histories * 50);
  expect(operations).toBeGreaterThan(histories);
  expect(takeovers).toBeGreaterThan(histories / 2);
}, 120_000);

it('the same seed is the same history', async () => {
  const [one, other] = [await runHistory(optionsOf(7, 'kafka')), await runHistory(optionsOf(7, 'kafka'))];
  expect(one.trace).toEqual(other.trace);
});

it.each<[Mistake, HistoryOptions['transport']]>([
  ['no fencing', 'local'],
  ['inbox row after the effect', 'local'],
  ['inbox row after the effect', 'kafka'],
  ['removed before published', 'local'],
  ['removed before published', 'kafka'],
  ['offset committed before the effect', 'kafka'],
  ['no inbox', 'kafka'],
  ['replays overtaken', 'kafka'],
  ['surplus kept', 'local'],
  ['operations without fencing', 'local'],
  ['checkpoint apart from its effects', 'local'],
  ['cancelled, and still queued', 'local'],
])('notices: %s (%s)', async (mistake, transport) => {
  for (let seed = 1; seed <= 1_000; seed += 1) {
    const { violation } = await runHistory(optionsOf(seed, transport, mistake));
    if (!violation) continue;
    const found = await shortest(optionsOf(seed, transport, mistake));
    expect(report(found)).toContain(`seed ${seed}, ${transport}`);
    expect(found.history.trace.length).toBeGreaterThan(0);
    return;
  }
  expect.fail('1,000 histories did not notice');
}, 120_000);
