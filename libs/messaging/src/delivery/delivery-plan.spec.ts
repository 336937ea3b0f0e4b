import { describe, expect, it } from 'vitest';
import type { StoredEvent } from '../outbox/stored-event.ts';
import { deliveryPlan, type DeliveryState } from './delivery-plan.ts';

const now = 1_000;
const fresh: DeliveryState = { isReceived: false, isParked: false, isBehindReplay: false, attempts: 0 };

/** `a1 b1 a2`: a letter for the key, a number for the place in it. */
const events = (names: string): StoredEvent[] =>
  names.split(' ').map((name, index) => ({ id: String(index), eventId: name, topic: 't', key: name[0], tenant: { id: 'tenant' }, payload: new Uint8Array(), headers: {} }));

const planned = (names: string, states: Record<string, Partial<DeliveryState>>) => {
  const plan = deliveryPlan(events(names), new Map(Object.entries(states).map(([id, state]) => [id, { ...fresh, ...state }])), now);
  const ids = (list: readonly StoredEvent[]) => list.map(({ eventId }) => eventId).join(' ');
  return { done: ids(plan.done), together: ids(plan.together), alone: ids(plan.alone), parked: ids(plan.parked), waiting: [...plan.waiting] };
};

const nothing = { done: '', together: '', alone: '', parked: '', waiting: [] };

describe('a plan', () => {
  it('handles new events together', () => {
    expect(planned('a1 b1 a2', {})).toEqual({ ...nothing, together: 'a1 b1 a2' });
  });

  it('skips what was received', () => {
    expect(planned('a1 b1 a2', { a1: { isReceived: true } })).toEqual({ ...nothing, done: 'a1', together: 'b1 a2' });
  });

  it('lets a key wait behind its failing event, and no other', () => {
    expect(planned('a1 b1 a2', { a1: { attempts: 1, nextAttemptAt: now + 1 } })).toEqual({ ...nothing, together: 'b1', waiting: [['tenant/a', now + 1]] });
  });

  it('tries a failing event alone when its time has come, and those behind it after it', () => {
    expect(planned('a1 b1 a2', { a1: { attempts: 1, nextAttemptAt: now } })).toEqual({ ...nothing, together: 'b1', alone: 'a1 a2' });
  });

  it('parks what follows a dead letter', () => {
    expect(planned('a1 b1 a2', { a1: { isParked: true }, a2: { isParked: true } })).toEqual({ ...nothing, together: 'b1', parked: 'a1 a2' });
  });

  it('lets an event wait for the replay of earlier ones, also when some of them are dead letters again', () => {
    expect(planned('a3 b1', { a3: { isBehindReplay: true, isParked: true } })).toEqual({ ...nothing, together: 'b1', waiting: [['tenant/a', now]] });
  });

  it('keeps the same key of two tenants apart', () => {
    const [one, other] = events('a1 a2');
    const plan = deliveryPlan([one, { ...other, tenant: { id: 'other' } }], new Map([['a1', { ...fresh, attempts: 1, nextAttemptAt: now + 1 }]]), now);
    expect(plan.together.map(({ eventId }) => eventId)).toEqual(['a2']);
  });
});
