import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'vitest';
import { EchoService } from '../gen/touchstone/echo/v1/echo_pb.ts';
import { ItemService } from '../gen/touchstone/retrieval/v1/item_pb.ts';
import { defaultDeadlineMs, Problem, Reason, serviceClient } from './index.ts';
import { allPowerful, caller, expired, ofAnotherKey, readOnly, token, type World } from './transport.spec-service.ts';

const echoOf = ({ channel }: World) => serviceClient(EchoService, channel);

/** Calls that may hang when a step is missing fail after this time instead. */
const within = <T>(promise: Promise<T>, milliseconds = 2_000): Promise<T> => {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`nothing happened within ${milliseconds} ms`)), milliseconds);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

async function problemOf(call: Promise<unknown>): Promise<Problem> {
  const error = await within(call).then(
    () => expect.fail('the call succeeded'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Problem);
  return error as Problem;
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of stream) all.push(each);
  return all;
}

/** What both transports promise, by name. Each check gets a world of its own. */
export const checks: Record<string, (world: World) => Promise<void>> = {
  async 'values arrive as they were sent'(world) {
    const note = { id: 'a', text: 'grüße 🎈', numbers: [0.1, -5e-324, 1.7976931348623157e308], attributes: { n: null, deep: [null, { '': [] }, 1e21] }, notes: [{ id: 'b', count: -1 }] };
    expect(await echoOf(world).echo(note, { token })).toMatchObject(note);
  },

  async 'absent is not zero'(world) {
    const { echo } = echoOf(world);
    expect((await echo({ id: 'a' }, { token })).reward).toBeUndefined();
    expect((await echo({ id: 'a', reward: 0 }, { token })).reward).toBe(0);
  },

  async 'attributes nested 32 deep arrive'(world) {
    let deep: object = {};
    for (let depth = 0; depth < 31; depth++) deep = depth % 2 ? { x: deep } : [deep];
    const attributes = { deep: deep as never };
    expect((await echoOf(world).echo({ id: 'a', attributes }, { token })).attributes).toEqual(attributes);
  },

  async '6 MB of bytes arrive'(world) {
    const value = new Uint8Array(6 * 1024 * 1024).fill(7);
    const items = [{ id: 'a', images: [{ source: { case: 'base64' as const, value } }] }];
    const answer = await serviceClient(ItemService, world.channel).upsertItems({ collection: 'c', items }, { token });
    expect(answer).toMatchObject({ upserted: 1, position: value.length + 7 });
  },

  async 'a handler knows its caller, metadata and deadline'(world) {
    await echoOf(world).echo({ id: 'a' }, { token, metadata: new Map([['x-request-id', 'r-1']]) });
    const [call] = world.stage.calls;
    expect(call.caller).toEqual(caller);
    expect(call.tenant).toEqual(caller.tenant);
    expect(call.metadata.get('x-request-id')).toBe('r-1');
    expect(Math.abs(call.deadline - Date.now() - defaultDeadlineMs)).toBeLessThan(10_000);
  },

  async 'a problem arrives whole'(world) {
    const problem = await problemOf(echoOf(world).echo({ id: 'a', text: 'problem' }, { token }));
    expect(problem).toMatchObject({ reason: Reason.TOO_BUSY, detail: 'grüße', retryAfterSeconds: 7 });
    expect(problem.violations).toMatchObject([{ pointer: '/a/0', detail: 'x' }, { parameter: 'p', detail: 'y' }]);
  },

  async 'an error of a library becomes the problem that it stands for'(world) {
    const problem = await problemOf(echoOf(world).echo({ id: 'a', text: 'library' }, { token }));
    expect(problem).toMatchObject({ reason: Reason.UNAVAILABLE, retryAfterSeconds: 2 });
  },

  async 'an unexpected error shows nothing of itself'(world) {
    const problem = await problemOf(echoOf(world).echo({ id: 'a', text: 'bug' }, { token }));
    expect(problem.reason).toBe(Reason.INTERNAL);
    expect(problem.detail).not.toContain('secret');
  },

  async 'an answer that its contract cannot carry is an unexpected error'(world) {
    expect(await problemOf(echoOf(world).echo({ id: 'a', text: 'overflow' }, { token }))).toMatchObject({ reason: Reason.INTERNAL });
    await echoOf(world).echo({ id: 'a' }, { token });
  },

  async 'a stream arrives in order and ends'(world) {
    const events = await within(collect(echoOf(world).watchEcho({ id: 'a', events: 100 }, { token })));
    expect(events.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  },

  async 'a stream that fails gives its messages first'(world) {
    const seen: number[] = [];
    const read = async () => {
      for await (const { sequence } of echoOf(world).watchEcho({ id: 'a', events: 5, failAt: 3 }, { token })) seen.push(sequence);
    };
    expect(await problemOf(read())).toMatchObject({ reason: Reason.ITEM_NOT_FOUND, detail: 'gone' });
    expect(seen).toEqual([1, 2]);
  },

  async 'no token, a wrong one, an expired one and one of another key open nothing'(world) {
    for (const wrong of ['', 'x', expired, ofAnotherKey, `${token}x`]) {
      expect(await problemOf(echoOf(world).echo({ id: 'a' }, { token: wrong }))).toMatchObject({ reason: Reason.UNAUTHENTICATED });
      expect(await problemOf(collect(echoOf(world).watchEcho({ id: 'a', events: 1 }, { token: wrong })))).toMatchObject({ reason: Reason.UNAUTHENTICATED });
    }
    expect(world.stage.notes).toEqual([]);
  },

  async 'a stranger learns nothing about rules'(world) {
    expect(await problemOf(echoOf(world).echo({ id: 'BAD' }, { token: expired }))).toMatchObject({ reason: Reason.UNAUTHENTICATED });
  },

  async 'the scope of the method is needed, and * has every scope'(world) {
    expect(await problemOf(echoOf(world).echo({ id: 'a' }, { token: readOnly }))).toMatchObject({ reason: Reason.SCOPE_MISSING, detail: expect.stringContaining('echo:write') });
    expect(world.stage.notes).toEqual([]);
    await echoOf(world).getEcho({ id: 'a' }, { token: readOnly });
    await echoOf(world).echo({ id: 'a' }, { token: allPowerful });
  },

  async 'a broken rule names its place, and no handler sees the request'(world) {
    const problem = await problemOf(echoOf(world).echo({ id: 'a', notes: [{ id: 'b' }, { id: 'NO' }] }, { token }));
    expect(problem.reason).toBe(Reason.INVALID_REQUEST);
    expect(problem.violations).toMatchObject([{ pointer: '/notes/1/id' }]);
    const missing = await problemOf(echoOf(world).countEcho({}, { token }));
    expect(missing.violations).toMatchObject([{ pointer: '/note' }]);
    expect(world.stage.notes).toEqual([]);
  },

  async 'a call ends at its deadline and its handler is told'(world) {
    const call = echoOf(world).echo({ id: 'a', text: 'wait' }, { token, deadline: Date.now() + 100 });
    expect(await problemOf(call)).toMatchObject({ reason: Reason.DEADLINE_EXCEEDED });
    await within(world.stage.release.promise);
  },

  async 'a stream ends at its deadline and its handler is told'(world) {
    const call = collect(echoOf(world).watchEcho({ id: 'open', events: 2 }, { token, deadline: Date.now() + 100 }));
    expect(await problemOf(call)).toMatchObject({ reason: Reason.DEADLINE_EXCEEDED });
    await within(world.stage.streamEnded.promise);
  },

  async 'a caller that goes away ends the call and its handler is told'(world) {
    const abort = new AbortController();
    const call = problemOf(echoOf(world).echo({ id: 'a', text: 'wait' }, { token, signal: abort.signal }));
    await world.stage.handlerStarted.promise;
    abort.abort();
    expect(await call).toMatchObject({ reason: Reason.CANCELLED });
    await within(world.stage.release.promise);
  },

  async 'a caller that went away before ends the call too'(world) {
    expect(await problemOf(echoOf(world).echo({ id: 'a', text: 'wait' }, { token, signal: AbortSignal.abort() }))).toMatchObject({ reason: Reason.CANCELLED });
  },

  async 'a handler that ignores its signal holds nobody'(world) {
    const abort = new AbortController();
    const call = problemOf(echoOf(world).echo({ id: 'a', text: 'deaf' }, { token, signal: abort.signal }));
    await world.stage.handlerStarted.promise;
    expect(world.stage.running).toBe(1);
    abort.abort();
    await call;
    await expect.poll(() => world.stage.running, { interval: 5 }).toBe(0);
  },

  async 'a caller that goes away ends a stream'(world) {
    const abort = new AbortController();
    const read = async () => {
      for await (const { sequence } of echoOf(world).watchEcho({ id: 'open', events: 2 }, { token, signal: abort.signal })) if (sequence === 2) abort.abort();
    };
    expect(await problemOf(read())).toMatchObject({ reason: Reason.CANCELLED });
    await within(world.stage.streamEnded.promise);
  },

  async 'a reader that stops early stops the generator'(world) {
    for await (const { sequence } of echoOf(world).watchEcho({ id: 'a', events: 1_000_000 }, { token })) if (sequence === 3) break;
    await within(world.stage.streamEnded.promise);
    expect(world.stage.sent).toBeLessThan(1_000);
  },

  async 'a slow reader holds the generator back'(world) {
    const stream = echoOf(world).watchEcho({ id: 'a', events: 1_000_000 }, { token })[Symbol.asyncIterator]();
    await stream.next();
    for (let before = -1, quiet = 0; quiet < 200; before = world.stage.sent) {
      await turn();
      quiet = before === world.stage.sent ? quiet + 1 : 0;
    }
    expect(world.stage.sent).toBeLessThan(100); // of 10 KB each: what buffers of HTTP/2 hold
    await stream.return?.();
    await within(world.stage.streamEnded.promise);
  },

  async 'neither side sees the objects of the other'(world) {
    const request = { id: 'a', attributes: { list: [1] }, notes: [{ id: 'b', text: 'sent' }] };
    const answer = await echoOf(world).echo(request, { token });
    request.notes[0].text = 'changed by the caller';
    answer.notes[0].text = 'changed in the answer';
    (answer.attributes as { list: number[] }).list.push(2);
    expect(world.stage.notes[0].notes[0].text).toBe('sent');
    expect(world.stage.notes[0].attributes).toEqual({ list: [1] });
    world.stage.notes[0].text = 'changed by the handler';
    expect(answer.text).toBe('');
  },

  async 'a write under an idempotency key takes effect once and has the same answer again'(world) {
    const { upsertItems } = serviceClient(ItemService, world.channel);
    let replays = 0;
    const named = (key: string) => ({ token, metadata: new Map([['idempotency-key', key]]), onReplayed: () => (replays += 1) });
    const items = (attributes: object) => ({ collection: 'a', items: [{ id: 'one', attributes: { ...attributes } }, { id: 'two' }] });
    const first = await upsertItems(items({ a: 1, b: { c: 2, d: 3 } }), named('k'));
    expect(first).toMatchObject({ upserted: 2 });
    expect([world.stage.writes, replays]).toEqual([1, 0]);
    expect(await upsertItems(items({ b: { d: 3, c: 2 }, a: 1 }), named('k'))).toEqual(first); // another order of names is the same request
    expect([world.stage.writes, replays]).toEqual([1, 1]);

    expect(await problemOf(upsertItems(items({ a: 2 }), named('k')))).toMatchObject({
      reason: Reason.IDEMPOTENCY_KEY_REUSED,
      violations: [{ parameter: 'Idempotency-Key' }],
    });
    await upsertItems(items({ a: 2 }), named('k2'));
    await upsertItems(items({ a: 2 }), { token });
    await upsertItems(items({ a: 2 }), { token });
    expect([world.stage.writes, replays]).toEqual([4, 1]);
  },

  async 'a write that another call under its key made meanwhile has that answer'(world) {
    const { upsertItems } = serviceClient(ItemService, world.channel);
    const request = { collection: 'a', items: [{ id: 'one' }] };
    const named = { token, metadata: new Map([['idempotency-key', 'k']]) };
    const first = await upsertItems(request, named);
    world.stage.hidesAnswers = true; // the other call commits after this one has looked
    expect(await upsertItems(request, named)).toEqual(first);
    expect(world.stage.writes).toBe(1);
  },

  async 'a failed write keeps nothing, and a handler that keeps nothing is a bug'(world) {
    const { upsertItems } = serviceClient(ItemService, world.channel);
    const named = { token, metadata: new Map([['idempotency-key', 'k']]) };
    expect(await problemOf(upsertItems({ collection: 'failing', items: [{ id: 'one' }] }, named))).toMatchObject({ reason: Reason.TOO_BUSY });
    expect(await problemOf(upsertItems({ collection: 'forgetful', items: [{ id: 'one' }] }, named))).toMatchObject({ reason: Reason.INTERNAL });
    expect(await upsertItems({ collection: 'a', items: [{ id: 'one' }] }, named)).toMatchObject({ upserted: 1 });
  },

  async 'a key of another form is refused'(world) {
    const { upsertItems } = serviceClient(ItemService, world.channel);
    const metadata = new Map([['idempotency-key', 'k'.repeat(256)]]);
    expect(await problemOf(upsertItems({ collection: 'a', items: [{ id: 'one' }] }, { token, metadata }))).toMatchObject({
      reason: Reason.INVALID_REQUEST,
      violations: [{ parameter: 'Idempotency-Key' }],
    });
    expect(world.stage.writes).toBe(0);
  },
};
