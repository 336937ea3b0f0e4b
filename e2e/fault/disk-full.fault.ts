import { execFileSync } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandFailed, modelsDir, runTouchstone, startTestPlatform, type TestPlatform } from '@touchstone/testing';
import { expect, it, onTestFinished, vi } from 'vitest';
import { record } from './fault-results.ts';
import { Traffic } from './traffic.ts';

const diskBytes = 300_000_000;

it('the disk of the outbox is full: writes get 503, log and doctor say it, and all goes on when there is room', async (context) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'touchstone-disk-'));
  let platform: TestPlatform | undefined;
  onTestFinished(async () => {
    await platform?.stop();
    execFileSync('umount', [dataDir]);
    await rm(dataDir, { recursive: true, force: true });
  });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes},mode=0755`, 'tmpfs', dataDir]); // Needs root.
  platform = await startTestPlatform({ mode: 'one-process', dataDir });
  await platform.ready();
  const traffic = await Traffic.begin(platform.url, await platform.createKey('disk', ['*']), 'disk');

  const ballast = join(dataDir, 'ballast');
  /** PostgreSQL gives back what it no longer needs: the disk is kept full. */
  const refused = (times: number) =>
    vi.waitFor(
      async () => {
        await fill(ballast);
        expect([...traffic.refusals.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(times);
      },
      { timeout: 120_000, interval: 50 },
    );
  await refused(0);
  const doctor = await runTouchstone(['doctor'], { TOUCHSTONE_DATA_DIR: dataDir, TOUCHSTONE_MODELS_DIR: modelsDir, TOUCHSTONE_PORT: new URL(platform.url).port }).catch((error: unknown) => {
    if (error instanceof CommandFailed) return error.output;
    throw error;
  });
  expect(doctor).toMatch(/FAULT +disk: 0\.0 GB free/);
  expect(doctor).toContain('free at least 1 GB');
  await refused(20);
  const said = platform.processes[0].log.filter((line) => /"level":"(warn|error)".*No space left on device/.test(line)).length;
  expect(said).toBeGreaterThan(0);
  expect(said).toBeLessThan(10); // Not once for each refusal.
  const vector = Array.from({ length: 384 }, (_, index) => Math.cos(index));
  const search = await traffic.call('POST', '/search', { query: { vector, space: 'text' }, limit: 1 });
  expect(search.status).toBe(200);

  await rm(ballast);
  const recoveryMs = await traffic.recovered();
  await traffic.endAndCheck();
  record(context, { fault: 'the outbox (and all of PostgreSQL) on a full disk', seen: `${traffic}; doctor says FAULT, the log says ${said} times that no space is left`, recoveryMs, stillWorked: 'searches and reads' });
});

/** Writes until nothing is left. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'a');
  const piece = new Uint8Array(1_000_000);
  try {
    for (;;) await file.write(piece);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    await file.close();
  }
}
