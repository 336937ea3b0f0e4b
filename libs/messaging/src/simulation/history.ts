import { type OperationContext, type OperationHandler, OperationWorker } from '@touchstone/operations';
import { seededRandom } from '@touchstone/runtime/random';
import type { RetryPolicy } from '@touchstone/runtime/retry';
import { Consumer, type EventHandlers } from '../delivery/consumer.ts';
import { Assignment } from '../kafka/assignment.ts';
import { isReplayed, orderingKey, type StoredEvent } from '../outbox/stored-event.ts';
import { type Publisher, Relay } from '../relay/relay.ts';
import { Broker, sessionMs } from './broker.ts';
import { calmAfter, type Fault } from './faults.ts';
import type { History, HistoryOptions } from './history.types.ts';
import { operationKind, operationLeaseMs, operationStore, OperationTables } from './operations.ts';
import { Process, Scheduler } from './scheduler.ts';
import { leaseMs, numberOf, Session, Tables, Violation } from './store.ts';

const processes = 2;
const balancedWithinMs = 10_000;
const keys = ['a', 'b', 'c', 'd'];
/** Far more steps than a history needs; one that takes them all is stuck. */
const longest = 60_000;
/** An event of this place within its key makes an operation of so many units. */
const everyEvents = 2;
const units = 4;
const retry: RetryPolicy = { attempts: 3, firstDelayMs: 250, maximumDelayMs: 1_000 };
/**
 * Writers, relays, consumers and workers of one service from its first event until all is calm: events make operations, and
 * operations events. Relay, Consumer, Assignment, Partition and OperationWorker are the product's; tables, broker, clock and
 * randomness are ours. The same options give the same history.
 */
export async function runHistory(options: HistoryOptions): Promise<History> {
  const world = new World(options);
  let violation: Violation | undefined;
  try {
    await world.run();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = error;
  }
  return { violation, trace: world.scheduler.trace, ...world.work };
}

class World implements EventHandlers {
  readonly scheduler: Scheduler;
  readonly #tables: Tables;
  readonly #operations: OperationTables;
  readonly #broker = new Broker();
  readonly #random: () => number;
  readonly #poison = new Set<string>();
  readonly #written = new Map<string, number>();
  readonly #sending = new Map<Process, readonly StoredEvent[]>();
  #alive: Process[] = [];
  #born = 0;
  #writing = 2;
  #isCalm = false;
  #broken: unknown;

  constructor(private readonly options: HistoryOptions) {
    this.#random = seededRandom(options.seed);
    this.scheduler = new Scheduler(this.#random);
    this.#tables = new Tables(options.mistake, (event) => this.#enqueue(event));
    this.#operations = new OperationTables(options.mistake);
  }

  async run(): Promise<void> {
    for (let index = 0; index < processes; index += 1) this.#spawn();
    for (const name of ['writer 1', 'writer 2']) this.#inBackground(this.#write(new Process(name, this.scheduler)));
    const faults = [...this.options.faults];
    for (let tick = 0; tick < calmAfter; tick += 1) {
      while (faults.length > 0 && faults[0].at <= tick) this.#strike(faults.shift()!);
      await this.#tick();
    }
    this.#isCalm = true;
    for (const process of this.#alive) Object.assign(process, { pausedUntil: 0, skewMs: 0 });
    await this.#untilDone();
    this.#checkParked();
    this.#poison.clear();
    this.#tables.replay();
    for (const row of this.#operations.rows) this.#operations.retry(row);
    await this.#untilDone();
    await this.#untilBalanced();
    for (const { id, state, done } of this.#operations.rows) if (state !== 'succeeded' || done !== units) throw new Violation(`${id} is ${state} after ${done} of ${units} units`);
    for (const [key, last] of this.#written) {
      if (this.#tables.effects.get(key) !== last) throw new Violation(`${key} has ${this.#tables.effects.get(key) ?? 0} effects of ${last} events`);
    }
  }

  get work(): Pick<History, 'operations' | 'takeovers'> {
    const { rows } = this.#operations;
    return { operations: rows.length, takeovers: rows.reduce((sum, { fencing }) => sum + Math.max(0, fencing - 1), 0) };
  }

  has(): boolean {
    return true;
  }

  async handle(event: StoredEvent): Promise<void> {
    if (this.#poison.has(event.eventId)) throw new Error('poison');
    if (!this.#isCalm && this.#random() < 0.05) throw new Error('by chance');
  }

  async #tick(): Promise<void> {
    await this.scheduler.tick();
    const violation = this.#tables.violation ?? this.#operations.violation ?? this.#broken;
    if (violation) throw violation;
  }

  async #untilDone(): Promise<void> {
    for (let tick = 0; !this.#isDone(); tick += 1) {
      if (tick === longest) throw new Violation(`stuck: ${this.#tables.outbox.length} events in the outbox, ${this.#operations.queue.length} operations, offsets ${this.#broker.committed.join(' ')} of ${this.#broker.log.map(({ length }) => length).join(' ')}`);
      await this.#tick();
    }
  }

  /** Relays that run share the ranges soon after the last of them came or went. */
  async #untilBalanced(): Promise<void> {
    const { now } = this.scheduler;
    for (;;) {
      const shares = this.#tables.shares(this.scheduler.now);
      if (shares.length === processes && shares.every((ranges) => ranges === shares[0])) return;
      if (this.scheduler.now > now + balancedWithinMs) throw new Violation(`relays hold ${shares.join(' and ')} ranges`);
      await this.#tick();
    }
  }

  #isDone(): boolean {
    const isConsumed = this.options.transport === 'local' || this.#broker.log.every(({ length }, partition) => this.#broker.committed[partition] >= length);
    return this.#writing === 0 && this.#tables.outbox.length === 0 && this.#operations.queue.length === 0 && isConsumed;
  }

  /** The events of a parked key that have no effect are its dead letters, all of them and in order. */
  #checkParked(): void {
    for (const [key, last] of this.#written) {
      const done = this.#tables.effects.get(key) ?? 0;
      const numbers = this.#tables.deadLetters.filter((letter) => orderingKey(letter) === key).map(numberOf);
      const missing = Array.from({ length: last - done }, (_, index) => done + index + 1);
      if (numbers.filter((number) => number > done).join() !== missing.join()) throw new Violation(`${key} has effects up to ${done} of ${last}, and the dead letters ${numbers.join()}`);
    }
  }

  /** An operation of an event, in the transaction of its effect; its last unit posts an event in turn. */
  #enqueue(event: StoredEvent): void {
    if (numberOf(event) % everyEvents === 0) this.#operations.enqueue(event.tenant!, `operation of ${event.eventId}`, units);
  }

  #handler(process: Process): OperationHandler {
    return {
      run: async (context) => {
        for (let unit = ((context.checkpoint?.unit as number) ?? 0) + 1; unit <= units; unit += 1) {
          await process.step(`work on unit ${unit} of ${context.id}`);
          if (!this.#isCalm && this.#random() < 0.05) throw new Error('by chance');
          context.signal.throwIfAborted();
          await context.save({ unit }, async () => {
            this.#operations.effect(context.id, unit);
            if (unit === units) this.#post(context);
          });
        }
        return {};
      },
    };
  }

  #post({ id, tenant }: OperationContext): void {
    const event = { id: String(this.#tables.nextId++), eventId: `${id} done`, topic: 'topic', key: id, tenant, payload: Uint8Array.of(1), headers: {} };
    this.#tables.post(event);
    this.#written.set(orderingKey(event), 1);
  }

  async #write(process: Process): Promise<void> {
    for (let count = 0; count < this.options.events / 2; count += 1) {
      await process.step('begin');
      const name = keys[Math.floor(this.#random() * keys.length)];
      const tenant = { id: this.#random() < 0.5 ? 'ours' : 'theirs' };
      const key = orderingKey({ tenant, key: name });
      while (this.#locked.has(key)) await process.step(`wait for ${key}`);
      this.#locked.add(key);
      const number = (this.#written.get(key) ?? 0) + 1;
      const event: StoredEvent = { id: String(this.#tables.nextId++), eventId: `${key} ${number}`, topic: 'topic', key: name, tenant, payload: Uint8Array.of(number), headers: {} };
      await process.step(`commit ${event.eventId}`); // Others commit in between: ids are not in the order of commits.
      this.#tables.post(event);
      this.#written.set(key, number);
      if (this.#random() < 0.06) this.#poison.add(event.eventId);
      this.#locked.delete(key);
    }
    this.#writing -= 1;
  }

  readonly #locked = new Set<string>();
  readonly #workers = new Map<Process, OperationWorker>();

  #spawn(): void {
    const process = new Process(`process ${(this.#born += 1)}`, this.scheduler);
    this.#alive.push(process);
    const session = new Session(this.#tables, process, () => this.#isUnlucky(), () => this.scheduler.now);
    const consumer = new Consumer(session.inboxStore(), this, { retry, clock: process, random: this.#random });
    const local: Publisher['publish'] = (...batch) => consumer.consume(...batch);
    new Relay(session.outboxStore(process.name, 5), { clock: process, leaseMs }).start({ publish: this.options.transport === 'local' ? local : this.#publisher(process, consumer) });
    if (this.options.transport === 'kafka') this.#inBackground(this.#consume(process, consumer));
    const handler = { handler: this.#handler(process), toJson: () => null, fromJson: (input: unknown) => input };
    const store = operationStore(session, this.#operations, process.name, () => this.scheduler.now, this.options.mistake);
    const worker = new OperationWorker(store, { kinds: () => [operationKind], get: () => handler }, { clock: process, random: this.#random, leaseMs: operationLeaseMs, concurrency: 2, retry });
    worker.onApplicationBootstrap();
    this.#workers.set(process, worker);
  }

  #publisher(process: Process, consumer: Pick<Consumer, 'consume'>): Publisher['publish'] {
    return async (events, claim, signal) => {
      const replayed = events.filter(isReplayed);
      const handled = replayed.length === 0 ? { taken: [], waiting: new Map<string, number>() } : await consumer.consume(replayed, claim, signal);
      const sent = events.filter((event) => !isReplayed(event));
      this.#sending.set(process, sent);
      await process.step(`send ${sent.map(({ eventId }) => eventId).join(', ')}`);
      this.#broker.append(sent);
      this.#sending.delete(process);
      await process.step('acknowledged');
      if (this.#isUnlucky()) throw new Error('the acknowledgement was lost');
      return { taken: [...handled.taken, ...sent], waiting: handled.waiting };
    };
  }

  /** A member of the consumer group, as KafkaTransport is one. */
  async #consume(process: Process, consumer: Pick<Consumer, 'consume'>): Promise<void> {
    let assignment: Assignment | undefined;
    let generation = -1;
    let heartbeatAt = 0;
    const next = new Map<number, number>();
    for (;;) {
      await process.wait(200, new AbortController().signal);
      await process.step('heartbeat');
      const member = this.#broker.heartbeat(process.name, this.scheduler.now);
      heartbeatAt = process.now();
      if (member.generation !== generation) {
        void assignment?.end();
        generation = member.generation;
        const ours = generation;
        assignment = new Assignment({
          consumer,
          clock: process,
          isAlive: () => process.now() - heartbeatAt < sessionMs,
          subscription: {
            ...{ seek() {}, pause() {}, resume() {} },
            commit: async (_, partition, offset) => {
              await process.step(`commit offset ${partition}/${offset}`);
              this.#broker.commit(process.name, ours, partition, offset);
            },
          },
        });
        const places = member.assigned.map((partition) => ({ topic: this.#broker.topic, partition, start: this.#broker.committed[partition] }));
        next.clear();
        for (const { partition, start } of places) next.set(partition, start);
        assignment.open(places);
      }
      for (const [partition, from] of next) {
        const to = Math.min(this.#broker.log[partition].length, from + 4);
        if (this.options.mistake === 'offset committed before the effect' && to > from) this.#broker.committed[partition] = Math.max(to, this.#broker.committed[partition]);
        this.#broker.fetch(assignment!, partition, from, 4);
        next.set(partition, to);
      }
    }
  }

  #strike({ kind, victim, ms }: Fault): void {
    const process = this.#alive[Math.floor(victim * this.#alive.length)];
    this.scheduler.note(`fault: ${kind} ${process.name}`);
    if (kind === 'crash') this.#crash(process);
    if (kind === 'pause') process.pausedUntil = this.scheduler.now + ms;
    if (kind === 'swizzle') for (const each of this.#alive) each.pausedUntil = this.scheduler.now + Math.floor(this.#random() * ms);
    if (kind === 'clock') process.skewMs = (victim < 0.5 ? -1 : 1) * ms * 10; // Up to two minutes, by which a retry may come late.
    if (kind === 'lease') for (const lease of this.#tables.leases) lease.expiresAt = -Infinity;
    if (kind === 'rebalance') this.#broker.rebalance();
    if (kind === 'stop') this.#inBackground(this.#workers.get(process)!.stop().then(() => this.#alive.includes(process) && this.#crash(process)));
    if (kind === 'cancel' || kind === 'retry') for (const row of this.#operations.rows) if (this.#random() < 0.3) this.#operations[kind](row);
    if (kind === 'replay') {
      for (const { eventId } of this.#tables.deadLetters) if (this.#random() < 0.5) this.#poison.delete(eventId);
      this.#tables.replay();
    }
  }

  #crash(process: Process): void {
    this.scheduler.kill(process);
    const underway = this.#sending.get(process);
    if (underway && this.#random() < 0.5) this.#broker.append(underway); // The request had left.
    this.#alive = this.#alive.filter((each) => each !== process);
    this.#spawn();
  }

  #isUnlucky(): boolean {
    return !this.#isCalm && this.#random() < this.options.lossRate;
  }

  /** Its end would be a bug of the simulation. */
  #inBackground(work: Promise<unknown>): void {
    work.catch((error: unknown) => (this.#broken = error));
  }
}
