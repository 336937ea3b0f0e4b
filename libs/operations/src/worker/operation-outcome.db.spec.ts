import { Problem, Reason } from '@touchstone/contracts';
import pg from 'pg';
import { describe, expect, it, vi } from 'vitest';
import { aborted, countingSuite, gate, idle, patience } from '../fixture/counting-suite.ts';

const { counted, finished, rows, start, tenant, urls } = countingSuite();
const problem = (reason: Reason) => expect.objectContaining({ reason });

describe('cancel', () => {
  it('what waits is cancelled at once, and never begins', async () => {
    const service = await start({}, idle);
    const id = await service.count(tenant(), 1);
    const { cancelOperation, options } = await service.client(tenant());
    expect(await cancelOperation({ id }, options)).toMatchObject({ state: 'cancelled' });
    expect(await cancelOperation({ id }, options)).toMatchObject({ state: 'cancelled' }); // Again: no change.
    const worker = await start();
    await finished(worker, await worker.count(tenant(), 1));
    expect(await counted(id)).toEqual([]);
  });

  it.each(['in this process', 'in another process'])('what runs %s stops, and keeps what it saved', async (where) => {
    const reached = gate();
    const worker = await start({
      async after(unit, { signal }) {
        if (unit < 2) return;
        reached.open();
        await aborted(signal);
      },
    });
    const asked = where === 'in this process' ? worker : await start({}, idle);
    const id = await asked.count(tenant(), 5);
    await reached.opened;
    const { cancelOperation, options } = await asked.client(tenant());
    expect(await cancelOperation({ id }, options)).toMatchObject({ state: 'running' });
    expect(await finished(asked, id)).toMatchObject({ state: 'cancelled', progress: { done: 2, total: 5 } });
    expect(await counted(id)).toEqual([1, 2]);
  });

  it('what waits for its next attempt is cancelled at once', async () => {
    const failed = gate();
    const service = await start({ before: () => (failed.open(), Promise.reject(new Error('not now'))) }, { retry: { attempts: 2, firstDelayMs: 600_000, maximumDelayMs: 600_000 } });
    const id = await service.count(tenant(), 1);
    const { cancelOperation, getOperation, options } = await service.client(tenant());
    await failed.opened;
    await vi.waitFor(async () => expect(await getOperation({ id }, options)).toMatchObject({ state: 'queued' }), patience);
    expect(await cancelOperation({ id }, options)).toMatchObject({ state: 'cancelled' });
  });

  it('what was held by a worker that is gone is cancelled by the next', async () => {
    const reached = gate();
    const gone = await start({ before: () => (reached.open(), new Promise(() => undefined)) }, { stopMs: 0 });
    const id = await gone.count(tenant(), 1);
    await reached.opened;
    await gone.stop();
    const { cancelOperation, options } = await (await start({}, idle)).client(tenant());
    await cancelOperation({ id }, options);
    await rows(`update retrieval.operation_queue set expires_at = now()`);
    const next = await start();
    expect(await finished(next, id)).toMatchObject({ state: 'cancelled' });
    expect(await counted(id)).toEqual([]);
  });

  it('what has succeeded cannot be cancelled', async () => {
    const service = await start();
    const id = await service.count(tenant(), 1);
    await finished(service, id);
    const { cancelOperation, options } = await service.client(tenant());
    await expect(cancelOperation({ id }, options)).rejects.toEqual(problem(Reason.OPERATION_FINISHED));
  });
});

it('what has succeeded keeps its result and nothing that it was made of; what failed may be tried again', async () => {
  const kept = (id: string) => rows(`select input::text <> '{}' as input, checkpoint is not null as checkpoint, result is not null as result from retrieval.operation where id = $1`, id);
  const service = await start({ after: (unit) => (unit < 3 ? Promise.resolve() : Promise.reject(new Problem({ reason: Reason.INVALID_REQUEST, detail: 'not three' }))) });
  const [good, bad] = [await service.count(tenant(), 2), await service.count(tenant(), 3)];
  for (const id of [good, bad]) await finished(service, id);
  expect(await kept(good)).toEqual([{ input: false, checkpoint: false, result: true }]);
  expect(await kept(bad)).toEqual([{ input: true, checkpoint: true, result: false }]);
});

describe('failure', () => {
  const quick = { retry: { attempts: 3, firstDelayMs: 1, maximumDelayMs: 1 } };

  it('a problem fails for good, with its reason', async () => {
    let attempts = 0;
    const service = await start({
      before() {
        attempts += 1;
        throw new Problem({ reason: Reason.COLLECTION_NOT_FOUND, detail: 'There is no collection a.', violations: [{ pointer: '/collection', detail: 'no such collection' }] });
      },
    }, quick);
    const id = await service.count(tenant(), 1);
    expect(await finished(service, id)).toMatchObject({
      state: 'failed',
      problem: { reason: 'collection-not-found', detail: 'There is no collection a.', violations: [{ pointer: '/collection', detail: 'no such collection' }] },
    });
    expect(attempts).toBe(1);
  });

  it('an unexpected error is tried again, then fails and shows nothing of itself', async () => {
    let attempts = 0;
    const service = await start({
      before(unit) {
        if (unit < 3) return;
        attempts += 1;
        throw new Error('secret words of a bug');
      },
    }, quick);
    const id = await service.count(tenant(), 5);
    const operation = await finished(service, id);
    expect(operation).toMatchObject({ state: 'failed', problem: { reason: 'internal', detail: 'An unexpected error was logged.' } });
    expect(attempts).toBe(3);
    expect(await counted(id)).toEqual([1, 2]);
  });

  it('an error that passes is no failure, and each unit has its attempts', async () => {
    const failures = new Map<number, number>();
    const service = await start({
      before(unit) {
        failures.set(unit, (failures.get(unit) ?? 0) + 1);
        if (failures.get(unit)! < 3) throw new Error('not now');
      },
    }, quick);
    const id = await service.count(tenant(), 4);
    expect(await finished(service, id)).toMatchObject({ state: 'succeeded' });
    expect(await counted(id)).toEqual([1, 2, 3, 4]);
  });

  it('a problem that says when to try again is tried again, and keeps its reason', async () => {
    let attempts = 0;
    const service = await start({
      before() {
        attempts += 1;
        throw new Problem({ reason: Reason.MODEL_NOT_READY, detail: 'The model is pulled.', retryAfterSeconds: 0 });
      },
    }, quick);
    expect(await finished(service, await service.count(tenant(), 1))).toMatchObject({ state: 'failed', problem: { reason: 'model-not-ready' } });
    expect(attempts).toBe(3);
  });

  it('an operation whose process ends each time fails too', async () => {
    const service = await start({}, idle);
    const id = await service.count(tenant(), 1);
    await rows('update retrieval.operation set attempts = 3');
    const worker = await start({}, quick);
    expect(await finished(worker, id)).toMatchObject({ state: 'failed', problem: { reason: 'internal' } });
    expect(await counted(id)).toEqual([]);
  });

  it('a lost connection is no attempt, and leaves nothing of the unit', async () => {
    let isLost = false;
    const service = await start(
      {
        async within(unit) {
          if (unit !== 2 || isLost) return;
          isLost = true;
          await rows(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'insert into retrieval.counted%'`);
        },
      },
      { retry: { attempts: 1, firstDelayMs: 1, maximumDelayMs: 1 } },
    );
    const id = await service.count(tenant(), 3);
    expect(await finished(service, id)).toMatchObject({ state: 'succeeded' });
    expect(isLost).toBe(true);
    expect(await counted(id)).toEqual([1, 2, 3]);
  });

  it('an effect that fails leaves neither its row nor its checkpoint', async () => {
    let attempts = 0;
    const service = await start({
      within(unit) {
        if (unit === 2 && (attempts += 1) < 3) throw new Error('not now');
      },
    }, quick);
    const id = await service.count(tenant(), 3);
    expect(await finished(service, id)).toMatchObject({ state: 'succeeded' });
    expect(await counted(id)).toEqual([1, 2, 3]);
  });
});

describe('retry', () => {
  it('begins what failed again where it stopped', async () => {
    const service = await start({
      before(unit) {
        if (unit === 3) throw new Problem({ reason: Reason.ITEM_NOT_FOUND, detail: 'not there' });
      },
    });
    const id = await service.count(tenant(), 4);
    expect(await finished(service, id)).toMatchObject({ state: 'failed' });
    service.behaviour.before = undefined;
    const { retryOperation, options } = await service.client(tenant());
    expect(await retryOperation({ id }, options)).toMatchObject({ state: 'queued' });
    expect(await finished(service, id)).toMatchObject({ state: 'succeeded', progress: { done: 4, total: 4 } });
    expect(await counted(id)).toEqual([1, 2, 3, 4]);
  });

  it('begins what was cancelled', async () => {
    const service = await start({}, idle);
    const id = await service.count(tenant(), 2);
    const { cancelOperation, retryOperation, options } = await service.client(tenant());
    await cancelOperation({ id }, options);
    await retryOperation({ id }, options);
    const worker = await start();
    expect(await finished(worker, id)).toMatchObject({ state: 'succeeded' });
  });

  it.each(['queued', 'succeeded'])('refuses what is %s', async (state) => {
    const service = await start({}, state === 'queued' ? idle : {});
    const id = await service.count(tenant(), 1);
    if (state === 'succeeded') await finished(service, id);
    const { retryOperation, options } = await service.client(tenant());
    await expect(retryOperation({ id }, options)).rejects.toEqual(problem(Reason.OPERATION_NOT_STOPPED));
  });

  it('two at once queue it once', async () => {
    const service = await start({}, idle);
    const id = await service.count(tenant(), 1);
    const { cancelOperation, retryOperation, options } = await service.client(tenant());
    await cancelOperation({ id }, options);
    const owner = new pg.Client({ connectionString: urls().ownerUrl });
    await owner.connect();
    await owner.query('begin');
    await owner.query('select 1 from retrieval.operation for no key update');
    const retries = Promise.allSettled([retryOperation({ id }, options), retryOperation({ id }, options)]);
    const waiting = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    await vi.waitFor(async () => expect(await rows(waiting)).toHaveLength(2), patience); // Both have begun.
    await owner.query('commit');
    await owner.end();
    const outcomes = await retries;
    expect(outcomes).toContainEqual({ status: 'fulfilled', value: expect.objectContaining({ state: 'queued' }) });
    expect(outcomes).toContainEqual({ status: 'rejected', reason: problem(Reason.OPERATION_NOT_STOPPED) });
    expect(await rows('select id from retrieval.operation_queue')).toEqual([{ id }]);
  });
});
