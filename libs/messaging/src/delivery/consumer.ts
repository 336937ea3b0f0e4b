import type { Clock } from '@touchstone/runtime/clock';
import { log } from '@touchstone/runtime/logging';
import { retryDelay, type RetryPolicy } from '@touchstone/runtime/retry';
import { orderingKey, type StoredEvent } from '../outbox/stored-event.ts';
import type { Publication } from '../relay/relay.ts';
import type { Claim } from './claim.ts';
import { deliveryPlan, type DeliveryPlan } from './delivery-plan.ts';
import { AlreadyReceived, type Inbox } from './inbox.ts';
import { observedHandling } from './observed-handling.ts';

/** Longer than an event can be on its way, so that afterwards its inbox row is not needed. */
export const inboxRetentionMs = 14 * 24 * 3_600_000;
const pruneEveryMs = 3_600_000;

export interface ConsumerOptions {
  readonly retry: RetryPolicy;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}

/** The service's handlers, as a transport found them. */
export interface EventHandlers {
  has(topic: string): boolean;
  handle(event: StoredEvent): Promise<void>;
}

/** What a consumer keeps of events; Inbox, or the store of a simulation. */
export type InboxStore = Pick<Inbox, 'states' | 'apply' | 'failed' | 'bury' | 'forget' | 'prune'>;

/** One consumer group: events may come more than once, their effects happen exactly once and in the order of each key. */
export class Consumer {
  #prunedAt = 0;

  constructor(
    private readonly inbox: InboxStore,
    private readonly handlers: EventHandlers,
    private readonly options: ConsumerOptions,
  ) {}

  /**
   * Handles a batch in one transaction or, when that fails, each of its events alone. An event that fails alone is tried
   * again later, and while it waits so do the later events of its key. Without an attempt left it becomes a dead letter,
   * and so do they. The contract is that of `Publisher.publish`.
   */
  async consume(events: readonly StoredEvent[], claim: Claim, signal: AbortSignal): Promise<Publication> {
    const heard = events.filter(({ topic }) => this.handlers.has(topic));
    const unheard = events.filter(({ topic }) => !this.handlers.has(topic));
    if (heard.length === 0) return { taken: unheard, waiting: new Map() };

    await this.#prune();
    const states = await this.inbox.states(heard, claim);
    const attemptsAt = ({ eventId }: StoredEvent) => states.get(eventId)?.attempts ?? 0;
    const plan = deliveryPlan(heard, states, this.options.clock.now());

    let { alone } = plan;
    if (await this.#together(plan.together)) plan.done.push(...plan.together);
    else alone = [...plan.together, ...plan.alone];
    for (const event of alone) {
      if (signal.aborted) break;
      await this.#alone(event, attemptsAt(event) + 1, plan, claim);
    }

    const parked = plan.parked.length === 0 ? [] : await this.inbox.bury(plan.parked, { attempts: 0, cause: 'An earlier event of this key is a dead letter.' }, claim);
    const retried = plan.done.filter((event) => attemptsAt(event) > 0);
    if (retried.length > 0) await this.inbox.forget(retried);
    return { taken: [...unheard, ...plan.done, ...plan.dead, ...parked], waiting: plan.waiting };
  }

  /** @returns false when nothing of it happened. */
  async #together(events: readonly StoredEvent[]): Promise<boolean> {
    if (events.length === 0) return true;
    try {
      await this.inbox.apply(events, (event) => observedHandling(event, () => this.handlers.handle(event)));
      return true;
    } catch (error) {
      log.debug({ err: error, events: events.length }, 'a batch of events failed; each is handled alone');
      return false;
    }
  }

  async #alone(event: StoredEvent, attempt: number, plan: DeliveryPlan, claim: Claim): Promise<void> {
    const key = orderingKey(event);
    if (plan.waiting.has(key)) return;
    if (plan.dead.some((dead) => orderingKey(dead) === key)) {
      plan.parked.push(event);
      return;
    }
    try {
      await this.inbox.apply([event], () => observedHandling(event, () => this.handlers.handle(event)));
      plan.done.push(event);
    } catch (error) {
      if (error instanceof AlreadyReceived) plan.done.push(event);
      else await this.#failed(event, attempt, error, plan, claim); // Throws too when the database is what fails: no attempt is counted.
    }
  }

  async #failed(event: StoredEvent, attempts: number, error: unknown, plan: DeliveryPlan, claim: Claim): Promise<void> {
    const { retry, clock, random } = this.options;
    const { eventId, topic } = event;
    const cause = causeOf(error);
    const delayMs = retryDelay(attempts, retry, random);
    if (delayMs === undefined) {
      await this.inbox.bury([event], { attempts, cause }, claim);
      plan.dead.push(event);
      log.error({ err: error, eventId, topic, attempts }, 'an event is a dead letter now, and its key is parked');
    } else {
      const nextAttemptAt = clock.now() + delayMs;
      await this.inbox.failed(event, { attempts, cause, nextAttemptAt }, claim);
      plan.waiting.set(orderingKey(event), nextAttemptAt);
      log.warn({ err: error, eventId, topic, attempts, delayMs: Math.round(delayMs) }, 'an event failed and is tried again');
    }
  }

  async #prune(): Promise<void> {
    const now = this.options.clock.now();
    if (now - this.#prunedAt < pruneEveryMs) return;
    await this.inbox.prune(new Date(now - inboxRetentionMs));
    this.#prunedAt = now;
  }
}

/** The chain of messages, such as `Error: no statistics: QueryFailedError: …`; at most 4,000 characters. */
function causeOf(error: unknown): string {
  const messages: string[] = [];
  for (let current: unknown = error; current !== undefined && messages.length < 8; current = (current as { cause?: unknown })?.cause) {
    messages.push(String(current));
  }
  return messages.join(': ').replaceAll('\0', '').slice(0, 4_000); // PostgreSQL stores no NUL.
}
