import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { type Problem, Reason } from '@touchstone/contracts';
import { GetEchoRequestSchema } from '@touchstone/contracts/gen/touchstone/echo/v1/echo_pb';
import { describe, expect, it, vi } from 'vitest';
import { echoKind } from './fixture/counting.ts';
import { countingSuite, gate, idle, patience } from './fixture/counting-suite.ts';
import { serviceOf } from './index.ts';

const { counted, finished, rows, start, tenant } = countingSuite();
const problem = (reason: Reason) => expect.objectContaining({ reason });

describe('enqueue', () => {
  it('work is done once its transaction is committed, with the result that its handler returned', async () => {
    const service = await start();
    const id = await service.count(tenant(), 3);
    expect(serviceOf(id)).toBe('retrieval');
    expect(await finished(service, id)).toMatchObject({ id, kind: 'retrieval.count', state: 'succeeded', progress: { done: 3, total: 3 }, result: { units: 3 } });
    expect(await counted(id)).toEqual([1, 2, 3]);
    expect(await rows('select * from retrieval.operation_queue')).toEqual([]);
  });

  it('is undone with its transaction', async () => {
    const service = await start();
    let id = '';
    const failing = service.count(tenant(), 3, async (transaction) => {
      [{ id }] = await transaction.query('select id from retrieval.operation');
      throw new Error('undo');
    });
    await expect(failing).rejects.toThrow('undo');
    expect(id).not.toBe('');
    await finished(service, await service.count(tenant(), 1)); // The worker has looked since.
    const { getOperation, options } = await service.client(tenant());
    await expect(getOperation({ id }, options)).rejects.toEqual(problem(Reason.OPERATION_NOT_FOUND));
    expect(await counted(id)).toEqual([]);
  });

  it('takes a message of the handler’s schema, and the character U+0000', async () => {
    const service = await start();
    const { id } = await service.database().transaction(tenant(), (transaction) =>
      service.operations().enqueue(transaction, tenant(), echoKind, create(GetEchoRequestSchema, { id: 'a\0b', numbers: [1, 2.5] })),
    );
    expect((await finished(service, id)).result).toEqual({ id: 'a\0b', sum: 3.5 });
  });

  it('a handler of an event asks for work in the transaction of its inbox row', async () => {
    const service = await start();
    const ask = () => service.database().inboxTransaction((inbox) => inbox.handle(tenant(), () => service.count(tenant(), 2)));
    expect(await finished(service, await ask())).toMatchObject({ state: 'succeeded' });
  });

  it('refuses a kind that nobody handles', async () => {
    const service = await start();
    const enqueue = service.database().transaction(tenant(), (transaction) => service.operations().enqueue(transaction, tenant(), 'retrieval.unheard', {}));
    await expect(enqueue).rejects.toThrow('No provider of retrieval is the handler of retrieval.unheard.');
  });

  it('wakes the worker: no time passes', async () => {
    const service = await start({}, { pollMs: 600_000 });
    await finished(service, await service.count(tenant(), 1));
  });

  it('of another process is seen at the next poll', async () => {
    const [writer, worker] = [await start({}, idle), await start()];
    const id = await writer.count(tenant(), 2);
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
    const id = await service.count(tenant(), 3);
    await reached.opened;
    const { getOperation, watchOperation, options } = await service.client(tenant());
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
    const id = await service.count(tenant(), 1);
    const { getOperation, options } = await service.client(tenant());
    await vi.waitFor(async () => expect((await getOperation({ id }, options)).progress).toMatchObject({ done: 0.5 }), patience);
    going.open();
    await finished(service, id);
  });

  it('a watch goes on after the sequence that was seen', async () => {
    const service = await start();
    const id = await service.count(tenant(), 1);
    await finished(service, id);
    const { watchOperation, options } = await service.client(tenant());
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
    const id = await service.count(tenant(), 1);
    const { watchOperation, options } = await service.client(tenant());
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
    let uuids = 0;
    const service = await start({}, { ...idle, newUuid: () => (uuids += 1).toString(16).padStart(32, '0') }); // Real ones tie within a millisecond.
    const ids: string[] = [];
    for (let index = 0; index < 5; index += 1) ids.unshift(await service.count(tenant(), 1));
    const { listOperations, cancelOperation, options } = await service.client(tenant());
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
    const { getOperation, listOperations, options } = await service.client(tenant());
    for (const id of ['', 'x', 'retrieval-1', `Retrieval-${'0'.repeat(32)}`]) await expect(getOperation({ id }, options)).rejects.toEqual(problem(Reason.INVALID_REQUEST));
    for (const filter of [{ limit: 0 }, { limit: 201 }, { cursor: 'x' }, { state: 'lost' }]) {
      await expect(listOperations(filter, options)).rejects.toEqual(problem(Reason.INVALID_REQUEST));
    }
    const readOnly = await service.client(tenant(), ['operations:read']);
    await expect(readOnly.cancelOperation({ id: `retrieval-${'0'.repeat(32)}` }, readOnly.options)).rejects.toEqual(problem(Reason.SCOPE_MISSING));
  });

  it('another tenant’s operation is as one that never was', async () => {
    const service = await start({}, idle);
    const id = await service.count(tenant(), 1);
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
    const own = await service.client(tenant());
    expect(await own.getOperation({ id }, own.options)).toMatchObject({ state: 'queued' });
  });
});
