import { orderingKey, type StoredEvent } from '../outbox/stored-event.ts';

/** What a consumer knows of an event before it handles it. */
export interface DeliveryState {
  /** Its effect is committed. */
  readonly isReceived: boolean;
  /** Its key has dead letters. */
  readonly isParked: boolean;
  /** Earlier events of its key are being replayed. */
  readonly isBehindReplay: boolean;
  /** Failed attempts so far. */
  readonly attempts: number;
  /** Epoch milliseconds; set when `attempts` is not 0. */
  readonly nextAttemptAt?: number;
}

export interface DeliveryPlan {
  /** Their effects are committed. */
  readonly done: StoredEvent[];
  /** To be handled in one transaction. */
  readonly together: StoredEvent[];
  /** To be handled afterwards, each in its own transaction: they failed before, or follow one of their key that did. */
  readonly alone: StoredEvent[];
  /** Dead letters now; none before the plan is carried out. */
  readonly dead: StoredEvent[];
  /** To be put behind the dead letters of their key. */
  readonly parked: StoredEvent[];
  /** Ordering keys whose next event must not run before this time, in epoch milliseconds. */
  readonly waiting: Map<string, number>;
}

/**
 * Decides what may happen to events now, so that the events of a key are handled in order, each at most once, and a
 * failing one holds up its own key only.
 *
 * @param events in the order of the outbox.
 * @param stateOf by event id; an event without a state is new.
 * @param now epoch milliseconds.
 */
export function deliveryPlan(events: readonly StoredEvent[], stateOf: ReadonlyMap<string, DeliveryState>, now: number): DeliveryPlan {
  const plan: DeliveryPlan = { done: [], together: [], alone: [], dead: [], parked: [], waiting: new Map() };
  const failing = new Set<string>();
  for (const event of events) {
    const key = orderingKey(event);
    const { isReceived, isParked, isBehindReplay, attempts, nextAttemptAt = now } = stateOf.get(event.eventId) ?? unseen;
    if (plan.waiting.has(key)) continue;
    if (isReceived) plan.done.push(event);
    else if (isBehindReplay) plan.waiting.set(key, now);
    else if (isParked) plan.parked.push(event);
    else if (attempts > 0 && nextAttemptAt > now) plan.waiting.set(key, nextAttemptAt);
    else if (attempts > 0 || failing.has(key)) {
      failing.add(key);
      plan.alone.push(event);
    } else plan.together.push(event);
  }
  return plan;
}

const unseen: DeliveryState = { isReceived: false, isParked: false, isBehindReplay: false, attempts: 0 };
