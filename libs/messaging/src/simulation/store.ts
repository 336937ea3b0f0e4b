import { DatabaseUnavailable } from '@touchstone/persistence';
import { type Claim, ClaimLost } from '../delivery/claim.ts';
import type { InboxStore } from '../delivery/consumer.ts';
import { AlreadyReceived } from '../delivery/inbox.ts';
import { isReplayed, kafkaOffset, orderingKey, replayed, type StoredEvent } from '../outbox/stored-event.ts';
import type { OutboxStore } from '../relay/relay.ts';
import type { Process } from './scheduler.ts';

/** Ways to break the protocol, to see that a history notices. */
export type Mistake =
  | 'no fencing'
  | 'inbox row after the effect'
  | 'removed before published'
  | 'offset committed before the effect'
  | 'no inbox'
  | 'replays overtaken'
  | 'surplus kept'
  | 'operations without fencing'
  | 'checkpoint apart from its effects'
  | 'cancelled, and still queued';

export class Violation extends Error {
  override readonly name = 'Violation';
}

interface LeaseRow {
  owner?: string;
  fencing: number;
  expiresAt: number;
}

const ranges = 4;
export const leaseMs = 3_500;
const rangeOf = (event: StoredEvent) => [...orderingKey(event)].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % ranges;
/** A test's event carries its number within its key in its payload. */
export const numberOf = ({ payload }: StoredEvent): number => payload[0];

/** The tables of one service, in memory. What one method does between two steps is one transaction. */
export class Tables {
  outbox: StoredEvent[] = [];
  nextId = 1;
  readonly leases: LeaseRow[] = Array.from({ length: ranges }, () => ({ fencing: 0, expiresAt: -Infinity }));
  /** Until when relays count as running. */
  readonly relays = new Map<string, number>();
  readonly inbox = new Set<string>();
  readonly attempts = new Map<string, { attempts: number; nextAttemptAt: number }>();
  deadLetters: StoredEvent[] = [];
  /** The number of the last effect of each key. */
  readonly effects = new Map<string, number>();
  readonly mistake?: Mistake;
  violation: Violation | undefined;

  /** @param onEffect what the handler of an event does besides, in its transaction. */
  constructor(
    mistake?: Mistake,
    private readonly onEffect: (event: StoredEvent) => void = () => undefined,
  ) {
    this.mistake = mistake;
  }

  post(event: StoredEvent): void {
    this.outbox = [...this.outbox, event].sort((a, b) => Number(a.id) - Number(b.id));
  }

  isParked(event: StoredEvent): boolean {
    return this.deadLetters.some((letter) => orderingKey(letter) === orderingKey(event));
  }

  /** Notes it when an effect comes twice or out of order: thrown, it would be taken for a failing handler. */
  effect(event: StoredEvent): void {
    const key = orderingKey(event);
    const last = this.effects.get(key) ?? 0;
    const number = numberOf(event);
    if (number <= last) this.violation ??= new Violation(`${event.eventId} has its effect twice`);
    else if (number > last + 1) this.violation ??= new Violation(`${event.eventId} has its effect before ${key} ${last + 1}`);
    this.effects.set(key, number);
    this.onEffect(event);
  }

  /** As OutboxReader does: a relay renews and takes ranges up to its share, and gives back what is above it. */
  balance(owner: string, now: number): void {
    const running = [...this.relays].filter(([, expiresAt]) => expiresAt > now).length;
    const share = this.mistake === 'surplus kept' ? ranges : Math.ceil(ranges / running);
    const isHeld = (lease: LeaseRow) => lease.owner === owner && lease.expiresAt > now;
    const mineFirst = this.leases.filter((lease) => isHeld(lease) || lease.expiresAt <= now).sort((a, b) => Number(isHeld(b)) - Number(isHeld(a)));
    for (const [place, lease] of mineFirst.entries()) {
      if (place >= share) {
        if (isHeld(lease)) Object.assign(lease, { owner: undefined, expiresAt: -Infinity });
        continue;
      }
      if (!isHeld(lease)) lease.fencing += 1;
      Object.assign(lease, { owner, expiresAt: now + leaseMs });
    }
  }

  /** How many ranges each running relay holds. */
  shares(now: number): number[] {
    const running = [...this.relays].filter(([, expiresAt]) => expiresAt > now).map(([owner]) => owner);
    return running.map((owner) => this.leases.filter((lease) => lease.owner === owner && lease.expiresAt > now).length);
  }

  /** As replayDeadLetters does. */
  replay(): void {
    for (const event of this.deadLetters) Object.assign(this.leases[rangeOf(event)], { owner: undefined, expiresAt: -Infinity, fencing: this.leases[rangeOf(event)].fencing + 1 });
    const letters = this.deadLetters;
    this.deadLetters = [];
    for (const letter of letters) {
      if (letter.id === '0') this.outbox = this.outbox.filter(({ eventId }) => eventId !== letter.eventId);
      const event = letter.id === '0' ? { ...letter, id: String(this.nextId++), headers: { ...letter.headers, [replayed]: 'true' } } : letter;
      if (!this.outbox.some(({ eventId }) => eventId === event.eventId)) this.post(event);
    }
  }
}

/** A process asks the database; the answer may be lost. */
export class Session {
  constructor(
    readonly tables: Tables,
    readonly process: Process,
    private readonly isLost: () => boolean,
    private readonly now: () => number,
  ) {}

  async transaction<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    await this.process.step(name);
    const result = await work();
    await this.process.step(`${name} answered`);
    if (this.isLost()) throw new DatabaseUnavailable(`the answer to ${name} was lost`);
    return result;
  }

  outboxStore(owner: string, batchSize: number): OutboxStore {
    const { tables } = this;
    const publishedFirst = tables.mistake !== 'removed before published';
    const erase = (events: readonly StoredEvent[]) => {
      const ids = new Set(events.map(({ id }) => id));
      tables.outbox = tables.outbox.filter(({ id }) => !ids.has(id));
    };
    return {
      read: (waitingKeys) =>
        this.transaction('read outbox', () => {
          tables.relays.set(owner, this.now() + leaseMs);
          tables.balance(owner, this.now());
          const events = tables.outbox.filter((event) => tables.leases[rangeOf(event)].owner === owner && !waitingKeys.includes(orderingKey(event))).slice(0, batchSize);
          if (!publishedFirst) erase(events);
          return { events, lease: new SimulatedLease(this, owner, new Map(events.map((event) => [rangeOf(event), tables.leases[rangeOf(event)].fencing]))) };
        }),
      remove: (events, lease) =>
        this.transaction(`remove ${list(events)}`, () => {
          (lease as SimulatedLease).demand();
          erase(events);
        }),
      renew: () =>
        this.transaction('renew leases', () => {
          tables.relays.set(owner, this.now() + leaseMs);
          for (const lease of tables.leases) if (lease.owner === owner) lease.expiresAt = this.now() + leaseMs;
        }),
      release: () =>
        this.transaction('release leases', () => {
          tables.relays.delete(owner);
          for (const lease of tables.leases) if (lease.owner === owner) Object.assign(lease, { owner: undefined, expiresAt: -Infinity });
        }),
    };
  }

  inboxStore(): InboxStore {
    const { tables } = this;
    return {
      states: async (events, claim) => {
        const states = await this.transaction(`read states of ${list(events)}`, () => {
          if (claim instanceof SimulatedLease) claim.demand(); // In the same reading.
          return new Map(events.map((event) => [event.eventId, stateOf(tables, event)]));
        });
        if (!(claim instanceof SimulatedLease)) await claim.check();
        return states;
      },
      apply: async (events, handle) => {
        await this.process.step(`begin ${list(events)}`);
        const isDoubled = new Set(events.map(({ eventId }) => eventId)).size < events.length; // Also within a batch.
        const received = () => tables.mistake !== 'no inbox' && (isDoubled || events.some(({ eventId }) => tables.inbox.has(eventId)));
        if (received()) throw new AlreadyReceived();
        for (const event of events) await handle(event);
        const effects = () => events.forEach((event) => tables.effect(event));
        const rows = () => events.forEach(({ eventId }) => tables.inbox.add(eventId));
        if (tables.mistake === 'inbox row after the effect') {
          await this.transaction('commit', () => !received() && effects());
          return this.transaction('commit inbox rows', rows);
        }
        return this.transaction(`commit ${list(events)}`, () => {
          if (received()) throw new AlreadyReceived(); // A concurrent transaction came first.
          effects();
          rows();
        });
      },
      failed: ({ eventId }, { attempts, nextAttemptAt }, claim) =>
        this.transaction(`note failure of ${eventId}`, async () => {
          await claim.hold(undefined!);
          tables.attempts.set(eventId, { attempts, nextAttemptAt });
        }),
      bury: (events, { attempts }, claim) =>
        this.transaction(`bury ${list(events)}`, async () => {
          await claim.hold(undefined!);
          const buried = events.filter((event) => (attempts > 0 || tables.isParked(event)) && !isBehindReplay(tables, event));
          for (const event of buried) {
            const isOfOutbox = isReplayed(event) || event.headers[kafkaOffset] === undefined;
            if (!tables.deadLetters.some(({ eventId }) => eventId === event.eventId)) tables.deadLetters.push(isOfOutbox ? event : { ...event, id: '0' });
            tables.attempts.delete(event.eventId);
          }
          return buried;
        }),
      forget: (events) => this.transaction('forget attempts', () => events.forEach(({ eventId }) => tables.attempts.delete(eventId))),
      prune: async () => undefined,
    };
  }
}

const list = (events: readonly StoredEvent[]) => events.map(({ eventId }) => eventId).join(', ');

function stateOf(tables: Tables, event: StoredEvent) {
  const { attempts = 0, nextAttemptAt } = tables.attempts.get(event.eventId) ?? {};
  const isReceived = tables.mistake !== 'no inbox' && tables.inbox.has(event.eventId);
  return { isReceived, isParked: tables.isParked(event), isBehindReplay: isBehindReplay(tables, event), attempts, nextAttemptAt };
}

function isBehindReplay(tables: Tables, event: StoredEvent): boolean {
  return tables.mistake !== 'replays overtaken' && !isReplayed(event) && tables.outbox.some((row) => isReplayed(row) && orderingKey(row) === orderingKey(event));
}

class SimulatedLease implements Claim {
  constructor(
    private readonly session: Session,
    private readonly owner: string,
    private readonly fencings: ReadonlyMap<number, number>,
  ) {}

  async hold(): Promise<void> {
    this.demand();
  }

  async check(): Promise<void> {
    await this.session.transaction('check lease', () => this.demand());
  }

  demand(): void {
    const { leases, mistake } = this.session.tables;
    if (mistake === 'no fencing') return;
    const isHeld = [...this.fencings].every(([range, fencing]) => leases[range].owner === this.owner && leases[range].fencing === fencing);
    if (!isHeld) throw new ClaimLost(`${this.owner} lost its lease`);
  }
}
