import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { Problem, Reason } from '@touchstone/contracts';
import { GetEchoRequestSchema } from '@touchstone/contracts/gen/touchstone/echo/v1/echo_pb';
import { testDatabase, type TestDatabase } from '@touchstone/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Behaviour, counted, Counting, echoKind } from './fixture/counting.ts';
import { type OperationsOptions, serviceOf } from './index.ts';

let server: TestDatabase;
let owner: pg.Pool;
let tenant: { id: string };
let started: Counting[];

beforeAll(async () => {
  server = await testDatabase({ service: 'retrieval' });
  owner = new pg.Pool({ connectionString: server.ownerUrl });
  await Counting.prepare(owner);
});

afterAll(async () => {
  await owner?.end();
  await server?.drop();
});

beforeEach(() => {
  tenant = { id: randomUUID() };
  started = [];
});

afterEach(async () => {
  await Promise.all(started.map((service) => service.stop()));
  await owner.query('delete from retrieval.operation');
});

async function start(behaviour: Behaviour = {}, options: Partial<OperationsOptions> = {}): Promise<Counting> {
  const service = await Counting.start(server, options, behaviour);
  started.push(service);
  return service;
}

/** Takes nothing, so that what is queued stays queued. */
const idle = { concurrency: 0 };

/** A promise and the function that fulfils it. */
function gate(): { opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

async function finished(service: Counting, id: string, { by = tenant } = {}) {
  const { watchOperation, options } = await service.client(by);
  for await (const { event } of watchOperation({ id }, options)) if (event.case === 'finished') return event.value;
  throw new Error('The stream ended before the operation.');
}

const problem = (reason: Reason) => expect.objectContaining({ reason });

describe('enqueue', () => {
  it('work is done once its transaction is committed, with the result that its handler returned', async () => {
    const service = await start();
    const id = await service.count(tenant, 3);
    expect(serviceOf(id)).toBe('retrieval');
    expect(await finished(service, id)).toMatchObject({ id, kind: 'retrieval.count', state: 'succeeded', progress: { done: 3, total: 3 }, result: { units: 3 } });
    expect(await counted(owner, id)).toEqual([1, 2, 3]);
    expect((await owner.query('select * from retrieval.operation_queue')).rows).toEqual([]);
  });

  it('is undone with its transaction', async () => {
    const service = await start();
    let id = '';
    const failing = service.count(tenant, 3, async (transaction) => {
      [{ id }] = await transaction.query('select id from retrieval.operation');
      throw new Error('undo');
    });
    await expect(failing).rejects.toThrow('undo');
    expect(id).not.toBe('');
    await finished(service, await service.count(tenant, 1)); // The worker has looked since.
    const { getOperation, options } = await service.client(tenant);
    await expect(getOperation({ id }, options)).rejects.toEqual(problem(Reason.OPERATION_NOT_FOUND));
    expect(await counted(owner, id)).toEqual([]);
  });

  it('takes a message of the handler’s schema, and the character U+0000', async () => {
    const service = await start();
    const { id } = await service.database().transaction(tenant, (transaction) =>
      service.operations().enqueue(transaction, tenant, echoKind, create(GetEchoRequestSchema, { id: 'a\0b', numbers: [1, 2.5] })),
    );
    expect((await finished(service, id)).result).toEqual({ id: 'a\0b', sum: 3.5 });
  });

  it('refuses a kind that nobody handles', async () => {
    const service = await start();
    const enqueue = service.database().transaction(tenant, (transaction) => service.operations().enqueue(transaction, tenant, 'retrieval.unheard', {}));
    await expect(enqueue).rejects.toThrow('No provider of retrieval is the handler of retrieval.unheard.');
  });

  it('wakes the worker: no time passes', async () => {
    const service = await start({}, { pollMs: 600_000 });
    await finished(service, await service.count(tenant, 1));
  });

  it('of another process is seen at the next poll', async () => {
    const [writer, worker] = [await start({}, idle), await start()];
    const id = await writer.count(tenant, 2);
    expect(await finished(worker, id)).toMatchObject({ state: 'succeeded' });
  });
});

describe('follow', () => {
  it('get and watch see progress before the end', async () => {
    const [reached, going] = [gate(), gate()];
    const service = await start({
      async after(unit) {
        if (unit < 2) return;
        reached.open();
        await going.opened;
      },
    });
    const id = await service.count(tenant, 3);
    await reached.opened;
    const { getOperation, watchOperation, options } = await service.client(tenant);
    expect(await getOperation({ id }, options)).toMatchObject({ state: 'running', progress: { done: 2, total: 3 } });
    const events = [];
    for await (const { sequence, event } of watchOperation({ id }, options)) {
      events.push({ sequence, case: event.case, state: event.value!.state, done: event.value!.progress!.done });
      going.open();
    }
    expect(events[0]).toMatchObject({ case: 'changed', state: 'running', done: 2 });
    expect(events.at(-1)).toMatchObject({ case: 'finished', state: 'succeeded', done: 3 });
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map(({ sequence }) => sequence).toSorted((a, b) => a - b));
  });

  it('progress without a checkpoint is written soon', async () => {
    const going = gate();
    const service = await start({
      async before(_unit, context) {
        context.progress({ done: 0.5 });
        await going.opened;
      },
    });
    const id = await service.count(tenant, 1);
    const { getOperation, options } = await service.client(tenant);
    await vi.waitFor(async () => expect((await getOperation({ id }, options)).progress).toMatchObject({ done: 0.5 }));
    going.open();
    await finished(service, id);
  });

  it('a watch goes on after the sequence that was seen', async () => {
    const service = await start();
    const id = await service.count(tenant, 1);
    await finished(service, id);
    const { watchOperation, options } = await service.client(tenant);
    const collect = async (afterSequence?: number) => {
      const sequences = [];
      for await (const { sequence } of watchOperation({ id, afterSequence }, options)) sequences.push(sequence);
      return sequences;
    };
    const [last] = await collect();
    expect(await collect(last - 1)).toEqual([last]);
    expect(await collect(last)).toEqual([]); // Seen to its end.
  });

  it('a watch ends when its caller goes away', async () => {
    const service = await start({}, idle);
    const id = await service.count(tenant, 1);
    const { watchOperation, options } = await service.client(tenant);
    const abort = new AbortController();
    const watching = (async () => {
      for await (const { event } of watchOperation({ id }, { ...options, signal: abort.signal })) {
        expect(event.value!.state).toBe('queued');
        abort.abort();
      }
    })();
    await expect(watching).rejects.toEqual(problem(Reason.CANCELLED));
  });

  it('lists newest first, by pages, kind and state', async () => {
    const service = await start({}, idle);
    const ids: string[] = [];
    for (let index = 0; index < 5; index += 1) ids.unshift(await service.count(tenant, 1));
    const { listOperations, cancelOperation, options } = await service.client(tenant);
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const { operations, nextCursor } = await listOperations({ limit: 2, cursor }, options);
      pages.push(operations.map(({ id }) => id));
      cursor = nextCursor;
    } while (cursor);
    expect(pages).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
    await cancelOperation({ id: ids[3] }, options);
    expect((await listOperations({ state: 'cancelled' }, options)).operations.map(({ id }) => id)).toEqual([ids[3]]);
    expect((await listOperations({ kind: 'retrieval.echo' }, options)).operations).toEqual([]);
    expect((await listOperations({ kind: 'retrieval.count' }, options)).operations).toHaveLength(5);
  });

  it('refuses what the contract does not allow', async () => {
    const service = await start({}, idle);
    const { getOperation, listOperations, options } = await service.client(tenant);
    for (const id of ['', 'x', 'retrieval-1', `Retrieval-${'0'.repeat(32)}`]) await expect(getOperation({ id }, options)).rejects.toEqual(problem(Reason.INVALID_REQUEST));
    for (const filter of [{ limit: 0 }, { limit: 201 }, { cursor: 'x' }, { state: 'lost' }]) {
      await expect(listOperations(filter, options)).rejects.toEqual(problem(Reason.INVALID_REQUEST));
    }
    const readOnly = await service.client(tenant, ['operations:read']);
    await expect(readOnly.cancelOperation({ id: `retrieval-${'0'.repeat(32)}` }, readOnly.options)).rejects.toEqual(problem(Reason.SCOPE_MISSING));
  });

  it('another tenant’s operation is as one that never was', async () => {
    const service = await start({}, idle);
    const id = await service.count(tenant, 1);
    const random = id.replace(/.{32}$/, randomUUID().replaceAll('-', ''));
    const { getOperation, cancelOperation, retryOperation, watchOperation, listOperations, options } = await service.client({ id: randomUUID() });
    const calls = {
      get: (which: string) => getOperation({ id: which }, options),
      cancel: (which: string) => cancelOperation({ id: which }, options),
      retry: (which: string) => retryOperation({ id: which }, options),
      watch: async (which: string) => {
        for await (const event of watchOperation({ id: which }, options)) throw new Error(`Seen: ${event.sequence}`);
      },
    };
    const answer = (which: string) => async (call: (id: string) => Promise<unknown>) => {
      const error: Problem = await call(which).then(() => undefined, (rejection) => rejection);
      return { reason: error.reason, detail: error.detail.replace(which, 'ID'), violations: error.violations };
    };
    for (const call of Object.values(calls)) {
      expect(await answer(id)(call)).toEqual(await answer(random)(call));
      expect(await answer(id)(call)).toMatchObject({ reason: Reason.OPERATION_NOT_FOUND });
    }
    expect((await listOperations({}, options)).operations).toEqual([]);
    const own = await service.client(tenant);
    expect(await own.getOperation({ id }, own.options)).toMatchObject({ state: 'queued' });
  });
});

describe('cancel', () => {
  it('what waits is cancelled at once, and never begins', async () => {
    const service = await start({}, idle);
    const id = await service.count(tenant, 1);
    const { cancelOperation, options } = await service.client(tenant);
    expect(await cancelOperation({ id }, options)).toMatchObject({ state: 'cancelled' });
    expect(await cancelOperation({ id }, options)).toMatchObject({ state: 'cancelled' }); // Again: no change.
    const worker = await start();
    await finished(worker, await worker.count(tenant, 1));
    expect(await counted(owner, id)).toEqual([]);
  });

  it.each(['in this process', 'in another process'])('what runs %s stops, and keeps what it saved', async (where) => {
    const reached = gate();
    const worker = await start({
      async after(unit, { signal }) {
        if (unit < 2) return;
        reached.open();
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      },
    });
    const asked = where === 'in this process' ? worker : await start({}, idle);
    const id = await asked.count(tenant, 5);
    await reached.opened;
    const { cancelOperation, options } = await asked.client(tenant);
    expect(await cancelOperation({ id }, options)).toMatchObject({ state: 'running' });
    expect(await finished(asked, id)).toMatchObject({ state: 'cancelled', progress: { done: 2, total: 5 } });
    expect(await counted(owner, id)).toEqual([1, 2]);
  });

  it('what waits for its next attempt is cancelled at once', async () => {
    const failed = gate();
    const service = await start({ before: () => (failed.open(), Promise.reject(new Error('not now'))) }, { retry: { attempts: 2, firstDelayMs: 600_000, maximumDelayMs: 600_000 } });
    const id = await service.count(tenant, 1);
    const { cancelOperation, getOperation, options } = await service.client(tenant);
    await failed.opened;
    await vi.waitFor(async () => expect(await getOperation({ id }, options)).toMatchObject({ state: 'queued' }));
    expect(await cancelOperation({ id }, options)).toMatchObject({ state: 'cancelled' });
  });

  it('what was held by a worker that is gone is cancelled by the next', async () => {
    const reached = gate();
    const gone = await start({ before: () => (reached.open(), new Promise(() => undefined)) }, { stopMs: 0 });
    const id = await gone.count(tenant, 1);
    await reached.opened;
    await gone.stop();
    const { cancelOperation, options } = await (await start({}, idle)).client(tenant);
    await cancelOperation({ id }, options);
    await owner.query(`update retrieval.operation_queue set expires_at = now()`);
    const next = await start();
    expect(await finished(next, id)).toMatchObject({ state: 'cancelled' });
    expect(await counted(owner, id)).toEqual([]);
  });

  it('what has succeeded cannot be cancelled', async () => {
    const service = await start();
    const id = await service.count(tenant, 1);
    await finished(service, id);
    const { cancelOperation, options } = await service.client(tenant);
    await expect(cancelOperation({ id }, options)).rejects.toEqual(problem(Reason.OPERATION_FINISHED));
  });
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
    const id = await service.count(tenant, 1);
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
    const id = await service.count(tenant, 5);
    const operation = await finished(service, id);
    expect(operation).toMatchObject({ state: 'failed', problem: { reason: 'internal', detail: 'An unexpected error was logged.' } });
    expect(attempts).toBe(3);
    expect(await counted(owner, id)).toEqual([1, 2]);
  });

  it('an error that passes is no failure, and each unit has its attempts', async () => {
    const failures = new Map<number, number>();
    const service = await start({
      before(unit) {
        failures.set(unit, (failures.get(unit) ?? 0) + 1);
        if (failures.get(unit)! < 3) throw new Error('not now');
      },
    }, quick);
    const id = await service.count(tenant, 4);
    expect(await finished(service, id)).toMatchObject({ state: 'succeeded' });
    expect(await counted(owner, id)).toEqual([1, 2, 3, 4]);
  });

  it('a problem that says when to try again is tried again, and keeps its reason', async () => {
    let attempts = 0;
    const service = await start({
      before() {
        attempts += 1;
        throw new Problem({ reason: Reason.MODEL_NOT_READY, detail: 'The model is pulled.', retryAfterSeconds: 0 });
      },
    }, quick);
    expect(await finished(service, await service.count(tenant, 1))).toMatchObject({ state: 'failed', problem: { reason: 'model-not-ready' } });
    expect(attempts).toBe(3);
  });

  it('an operation whose process ends each time fails too', async () => {
    const service = await start({}, idle);
    const id = await service.count(tenant, 1);
    await owner.query('update retrieval.operation set attempts = 3');
    const worker = await start({}, quick);
    expect(await finished(worker, id)).toMatchObject({ state: 'failed', problem: { reason: 'internal' } });
    expect(await counted(owner, id)).toEqual([]);
  });

  it('an effect that fails leaves neither its row nor its checkpoint', async () => {
    let attempts = 0;
    const service = await start({
      within(unit) {
        if (unit === 2 && (attempts += 1) < 3) throw new Error('not now');
      },
    }, quick);
    const id = await service.count(tenant, 3);
    expect(await finished(service, id)).toMatchObject({ state: 'succeeded' });
    expect(await counted(owner, id)).toEqual([1, 2, 3]);
  });
});

describe('retry', () => {
  it('begins what failed again where it stopped', async () => {
    const service = await start({
      before(unit) {
        if (unit === 3) throw new Problem({ reason: Reason.ITEM_NOT_FOUND, detail: 'not there' });
      },
    });
    const id = await service.count(tenant, 4);
    expect(await finished(service, id)).toMatchObject({ state: 'failed' });
    service.behaviour.before = undefined;
    const { retryOperation, options } = await service.client(tenant);
    expect(await retryOperation({ id }, options)).toMatchObject({ state: 'queued' });
    expect(await finished(service, id)).toMatchObject({ state: 'succeeded', progress: { done: 4, total: 4 } });
    expect(await counted(owner, id)).toEqual([1, 2, 3, 4]);
  });

  it('begins what was cancelled', async () => {
    const service = await start({}, idle);
    const id = await service.count(tenant, 2);
    const { cancelOperation, retryOperation, options } = await service.client(tenant);
    await cancelOperation({ id }, options);
    await retryOperation({ id }, options);
    const worker = await start();
    expect(await finished(worker, id)).toMatchObject({ state: 'succeeded' });
  });

  it.each(['queued', 'succeeded'])('refuses what is %s', async (state) => {
    const service = await start({}, state === 'queued' ? idle : {});
    const id = await service.count(tenant, 1);
    if (state === 'succeeded') await finished(service, id);
    const { retryOperation, options } = await service.client(tenant);
    await expect(retryOperation({ id }, options)).rejects.toEqual(problem(Reason.OPERATION_NOT_STOPPED));
  });

  it('two at once queue it once', async () => {
    const service = await start({}, idle);
    const id = await service.count(tenant, 1);
    const { cancelOperation, retryOperation, options } = await service.client(tenant);
    await cancelOperation({ id }, options);
    const outcomes = await Promise.allSettled([retryOperation({ id }, options), retryOperation({ id }, options)]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect((await owner.query('select id from retrieval.operation_queue')).rows).toEqual([{ id }]);
  });
});
