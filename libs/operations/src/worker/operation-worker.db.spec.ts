import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '@bufbuild/protobuf';
import { ManualClock } from '@touchstone/runtime/clock';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Behaviour, numbersTo } from '../fixture/counting.ts';
import { aborted, countingSuite, gate, idle, patience } from '../fixture/counting-suite.ts';
import { OperationHandler } from '../index.ts';

const program = fileURLToPath(new URL('../fixture/program.ts', import.meta.url));
/** For workers that are to lose their lease. */
const shortLeaseMs = 400;
const { counted, rows, start, state, succeeds, tenant, urls } = countingSuite();

let children: ChildProcess[];
beforeEach(() => void (children = []));
afterEach(() => void children.map((child) => child.kill('SIGKILL')));

/** A worker in a process of its own, and what it says. */
function spawn(...words: (string | number)[]) {
  const { url, systemUrl } = urls();
  const child = fork(program, [url, systemUrl, ...words.map(String)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  children.push(child);
  const said: unknown[] = [];
  child.on('message', (message) => said.push(message));
  return { child, said, says: (message: unknown) => vi.waitFor(() => expect(said).toContain(message), patience) };
}

describe('processes', () => {
  it('kill -9 in the middle: the next worker goes on from the checkpoint, and each unit has its effect once', async () => {
    const units = 1_000; // More than are done before the kill is seen.
    const seed = Number(process.env.SEED ?? Date.now() % 1_000);
    console.log(`seed ${seed}`);
    const id = await (await start({}, idle)).count(tenant(), units);
    for (let kill = 0; kill < 3; kill += 1) {
      const { child, said } = spawn(shortLeaseMs);
      await vi.waitFor(() => expect(said.length).toBeGreaterThan((seed * (kill + 1) * 7) % 20), { ...patience, interval: 1 });
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    const before = await counted(id);
    expect(before.length).toBeGreaterThan(2);
    expect(before.length).toBeLessThan(units);
    const resumedAt: number[] = [];
    await start({ before: (unit) => resumedAt.push(unit) });
    await succeeds(id);
    expect(resumedAt[0]).toBe(before.length + 1);
    expect(await counted(id)).toEqual(numbersTo(units));
  }, 60_000);

  it.each([
    ['between two units', 'before'],
    ['within the transaction of a unit', 'within'],
  ])('SIGSTOP %s for longer than the lease, then SIGCONT: the old owner writes nothing more', async (_, hook) => {
    const next = await start({}, idle);
    const id = await next.count(tenant(), 6);
    const { child, said, says } = spawn(shortLeaseMs, hook, 4);
    await says('waiting');
    child.kill('SIGSTOP');

    const [takenOver, going] = [gate(), gate()];
    await start({
      async before(unit) {
        if (unit < 5) return;
        takenOver.open();
        await going.opened;
      },
    });
    await takenOver.opened; // The lease has expired, the transaction too, and unit 4 is done in another one.
    expect(await counted(id)).toEqual([1, 2, 3, 4]);
    // The new owner may write its progress once more when it renews its lease: that counts up `sequence` and nothing else.
    const written = 'select state, fencing, attempts, checkpoint, done, total, result, problem from retrieval.operation where id = $1';
    const whileRunning = await rows(written, id);

    child.send('go on');
    child.kill('SIGCONT');
    await vi.waitFor(() => expect(said.at(-1)).toBe(hook === 'before' ? 'LeaseLost' : 'DatabaseUnavailable'), patience);
    expect(said.filter((word) => typeof word === 'number')).toEqual([1, 2, 3]);
    child.disconnect();
    await once(child, 'exit'); // What it would still write about the operation's end is refused too.
    expect(await counted(id)).toEqual([1, 2, 3, 4]);
    expect(await rows(written, id)).toEqual(whileRunning);
    going.open();
    await succeeds(id);
    expect(await counted(id)).toEqual(numbersTo(6));
  }, 60_000);
});

describe('leases', () => {
  it('two workers race for 200 operations: each is done once', async () => {
    const writer = await start({}, idle);
    const ids = await Promise.all(Array.from({ length: 200 }, () => writer.count(tenant(), 1)));
    const takers = new Map<string, string[]>();
    const [one, other] = [gate(), gate()]; // Neither is done before the other has begun.
    const watched = (name: string, { open }: { open(): void }): Behaviour => ({
      async before(_unit, { id }) {
        takers.set(id, [...(takers.get(id) ?? []), name]);
        open();
        await Promise.all([one.opened, other.opened]);
      },
    });
    await Promise.all([start(watched('one', one)), start(watched('other', other))]);
    await vi.waitFor(async () => expect(await rows(`select 1 from retrieval.operation where state <> 'succeeded'`)).toHaveLength(0), patience);
    expect([...takers.values()].every(({ length }) => length === 1)).toBe(true);
    expect(await rows('select distinct operation from retrieval.counted where operation = any ($1)', ids)).toHaveLength(200);
    expect(await rows('select 1 from retrieval.counted where operation = any ($1)', ids)).toHaveLength(200);
  });

  it('work that outlasts the lease keeps it', async () => {
    const [reached, going] = [gate(), gate()];
    const service = await start({ before: () => (reached.open(), going.opened) }, { leaseMs: shortLeaseMs });
    const id = await service.count(tenant(), 1);
    await reached.opened;
    const found = await rows('select expires_at from retrieval.operation_queue');
    const taken: string[] = [];
    await start({ before: (_unit, context) => taken.push(context.id) });
    await vi.waitFor(async () => {
      const renewed = await rows('select 1 from retrieval.operation_queue where now() > $1 and expires_at > $1', found[0].expires_at);
      expect(renewed).toHaveLength(1); // The first lease would be over.
    }, patience);
    going.open();
    await succeeds(id);
    expect(taken).toEqual([]);
  });

  it('a worker that lost its lease is told, and another does the work', async () => {
    const clock = new ManualClock(); // Nothing is renewed before it moves.
    const [reached, takenOver, lost] = [gate(), gate(), Promise.withResolvers<unknown>()];
    const old = await start(
      {
        async before(unit, { signal }) {
          if (unit < 3) return;
          reached.open();
          await aborted(signal);
          lost.resolve(signal.reason);
        },
      },
      { clock },
    );
    const id = await old.count(tenant(), 5);
    await reached.opened;
    await rows('update retrieval.operation_queue set expires_at = now()');
    await start({ before: takenOver.open });
    await takenOver.opened;
    clock.advance(60_000);
    expect(await lost.promise).toMatchObject({ name: 'LeaseLost' });
    await succeeds(id);
    expect(await counted(id)).toEqual(numbersTo(5));
  });

  it('a clock ten minutes off, either way, costs no lease and delays nothing', async () => {
    const clock = new ManualClock();
    const [reached, going] = [gate(), gate()];
    const service = await start({ before: (unit) => unit === 2 && (reached.open(), going.opened) }, { clock });
    const id = await service.count(tenant(), 3);
    await reached.opened;
    const taken: string[] = [];
    await start({ before: (_unit, context) => taken.push(context.id) });
    const second = await service.count(tenant(), 1); // The other worker may take it.
    clock.advance(600_000);
    clock.advance(-1_200_000);
    await succeeds(second);
    going.open();
    await succeeds(id);
    expect(taken).not.toContain(id);
    expect(await counted(id)).toEqual(numbersTo(3));
    const found = await rows('select fencing::integer from retrieval.operation where id = $1', id);
    expect(found).toEqual([{ fencing: 1 }]);
  });
});

describe('a graceful stop', () => {
  it('lets a handler come to its checkpoint and gives the rest to the next worker at once', async () => {
    const reached = gate();
    const first = await start({
      async after(unit, { signal }) {
        if (unit < 2) return;
        reached.open();
        await aborted(signal);
      },
    });
    const id = await first.count(tenant(), 5);
    await reached.opened;
    await first.stop();
    const found = await rows('select state, attempts, done from retrieval.operation');
    expect(found).toEqual([{ state: 'queued', attempts: 0, done: 2 }]);
    const queue = await rows(`select owner, expires_at = '-infinity' as free from retrieval.operation_queue`);
    expect(queue).toEqual([{ owner: null, free: true }]);

    const resumedAt: number[] = [];
    await start({ before: (unit) => resumedAt.push(unit) }); // With a lease of a minute: nothing has to expire.
    await succeeds(id);
    expect(resumedAt).toEqual([3, 4, 5]);
    expect(await counted(id)).toEqual(numbersTo(5));
  });

  it('does not wait for ever for a handler that is deaf', async () => {
    const reached = gate();
    const service = await start({ before: () => (reached.open(), new Promise(() => undefined)) }, { stopMs: 1 });
    await service.count(tenant(), 1);
    await reached.opened;
    await service.stop();
  });
});

describe('order', () => {
  it('a tenant with one operation does not wait for the twenty of another', async () => {
    const writer = await start({}, idle);
    const other = { id: randomUUID() };
    for (let index = 0; index < 20; index += 1) await writer.count(tenant(), 1);
    const last = await writer.count(other, 1);
    const order: string[] = [];
    await start({ before: (_unit, { id }) => order.push(id) }, { concurrency: 1 });
    await succeeds(last);
    expect(order.indexOf(last)).toBeLessThan(3);
  });

  it('a tenant that is busy in another process waits for one that is not', async () => {
    const writer = await start({}, idle);
    for (let index = 0; index < 4; index += 1) await writer.count(tenant(), 1);
    const [reached, going] = [gate(), gate()];
    await start({ before: () => (reached.open(), going.opened) }, { concurrency: 1 });
    await reached.opened;
    const newest = await writer.count({ id: randomUUID() }, 1);
    const order: string[] = [];
    await start({ before: (_unit, { id }) => order.push(id) }, { concurrency: 1 });
    await succeeds(newest);
    expect(order[0]).toBe(newest);
    going.open();
  });

  it('does no more at once than it may, and tenants share that', async () => {
    const writer = await start({}, idle);
    const others = [tenant(), { id: randomUUID() }, { id: randomUUID() }];
    for (const each of others) for (let index = 0; index < 4; index += 1) await writer.count(each, 1);
    const inWork = new Set<string>();
    const going = gate();
    await start({
      async before(_unit, context) {
        inWork.add(context.tenant.id);
        if (inWork.size === 3) going.open();
        await going.opened;
      },
    }, { concurrency: 3 });
    await going.opened; // Three at once: one of each tenant.
    const found = await rows(`select count(*)::integer as count from retrieval.operation where state = 'running'`);
    expect(found[0].count).toBeLessThanOrEqual(3);
    await vi.waitFor(async () => expect(await rows(`select 1 from retrieval.operation where state <> 'succeeded'`)).toHaveLength(0), patience);
  });
});

describe('handlers', () => {
  const handler = (kind: string) => {
    @OperationHandler(kind)
    class Extra implements OperationHandler {
      async run(): Promise<JsonObject> {
        return {};
      }
    }
    return Extra;
  };

  it.each([
    ['retrieval.count', 'retrieval.count has two handlers.'],
    ['judging.run', 'Extra: expected a kind like retrieval.do-this and got judging.run.'],
    ['retrieval.', 'Extra: expected a kind like retrieval.do-this and got retrieval..'],
  ])('%s: the service does not start', async (kind, message) => {
    await expect(start({}, {}, [handler(kind)])).rejects.toThrow(message);
  });

  it('a worker leaves kinds alone that it does not know', async () => {
    const writer = await start({}, idle, [handler('retrieval.newer')]);
    const { id } = await writer.database().transaction(tenant(), (transaction) => writer.operations().enqueue(transaction, tenant(), 'retrieval.newer', {}));
    const known = await writer.count(tenant(), 1);
    await start();
    await succeeds(known);
    expect(await state(id)).toBe('queued');
    await start({}, {}, [handler('retrieval.newer')]);
    await succeeds(id);
  });
});
