import type { Clock } from '@touchstone/runtime/clock';
import type { Health } from '@touchstone/runtime/lifecycle';
import { log } from '@touchstone/runtime/logging';
import type { Claim } from '../delivery/claim.ts';
import type { ConsumerOptions, InboxStore } from '../delivery/consumer.ts';
import { EventTransport } from '../delivery/event-transport.ts';
import { isReplayed, kafkaOffset, orderingKey, type StoredEvent } from '../outbox/stored-event.ts';
import type { Publication, Relay } from '../relay/relay.ts';
import { Assignment } from './assignment.ts';
import { fromMessage, toMessage } from './event-message.ts';
import { isTooLarge, KafkaClient, type Subscription } from './kafka-client.ts';
import { Silence } from './silence.ts';
import { streamOf, unfitness } from './streams.ts';

export interface KafkaOptions {
  /** `host:port` of some brokers. */
  readonly brokers: readonly string[];
  /** Before the names of topics and groups, for a cluster that others use too. Default none. */
  readonly prefix?: string;
  /** The consumer group. Default: the service. */
  readonly group?: string;
  /** A consumer that was killed loses its partitions after this time. Default 10,000. */
  readonly sessionTimeoutMs?: number;
}

export interface KafkaTransportOptions extends ConsumerOptions, KafkaOptions {
  readonly service: string;
}

/** Most bytes in one request, which has a batch for each partition; the broker's limit for a batch is 1 MiB. */
const requestBytes = 900_000;
const retryMs = 1_000;
/** A message that the broker finds too large waits so long, and the rest of its key behind it. */
const tooLargeWaitMs = 30_000;
const watchEveryMs = 10_000;
/** With events waiting and none attempted for so long, only a restart helps. */
const silenceMs = 60_000;

/**
 * Events through Kafka: the relay writes the rows of the outbox to topics and removes what the broker has acknowledged;
 * each service that hears an event is a consumer group, whose offsets are committed after its effects.
 *
 * No transactions of Kafka: delivery is at least once, and the inbox makes effects exactly once.
 */
export class KafkaTransport extends EventTransport {
  readonly #clock: Clock;
  readonly #client: KafkaClient;
  readonly #options: Required<Pick<KafkaOptions, 'prefix' | 'group' | 'sessionTimeoutMs'>>;
  readonly #stopping = new AbortController();
  readonly #silence = new Silence(silenceMs);
  #subscription: Subscription | undefined;
  #assignment: Assignment | undefined;
  #heartbeatAt = 0;
  #problem: string | undefined = 'The consumer has not joined its group yet.';
  #hasReceived = false;
  /** At joining the group. */
  #attempts = 0;
  #running: Promise<unknown> = Promise.resolve();

  constructor(relay: Relay, inbox: InboxStore, { service, brokers, prefix = '', group = service, sessionTimeoutMs = 10_000, ...options }: KafkaTransportOptions) {
    super(relay, inbox, options);
    this.#clock = options.clock;
    this.#client = new KafkaClient({ brokers, clientId: `touchstone-${service}` });
    this.#options = { prefix, group: `${prefix}${group}`, sessionTimeoutMs };
  }

  override listen(callback: (error?: unknown) => void): void {
    super.listen((error) => {
      if (!error && this.messageHandlers.size > 0) this.#running = Promise.all([this.#consume(), this.#watch()]);
      callback(error);
    });
  }

  override async close(): Promise<void> {
    await super.close();
    this.#stopping.abort();
    await this.#assignment?.end();
    await this.#subscription?.stop();
    await this.#running;
    await this.#client.close();
  }

  /** Replayed dead letters go to this service's handlers alone, all else to the broker. */
  async publish(events: readonly StoredEvent[], claim: Claim, signal: AbortSignal): Promise<Publication> {
    const replayed = events.filter(isReplayed);
    const handled = replayed.length === 0 ? nothing : await this.consumer.consume(replayed, claim, signal);
    const sent = await this.#send(events.filter((event) => !isReplayed(event)));
    return { taken: [...handled.taken, ...sent.taken], waiting: new Map([...handled.waiting, ...sent.waiting]) };
  }

  /**
   * Part `events`: why none are received; not ready until some could be, not live when only a restart helps. A broker that
   * goes away later takes nobody's requests away: events wait in the outbox.
   */
  health(): readonly Health[] {
    if (this.messageHandlers.size === 0) return [];
    const silent = this.#silence.longest(this.#clock.now());
    if (silent) return [{ part: 'events', isReady: false, isLive: false, detail: `${silent.partition}: events wait, and none was attempted for ${Math.round(silent.ms / 1_000)} s.` }];
    return [{ part: 'events', isReady: this.#hasReceived || this.#problem === undefined, detail: this.#problem }];
  }

  async lag(): Promise<ReadonlyMap<string, number>> {
    const lag = new Map<string, number>();
    if (this.messageHandlers.size === 0) return lag;
    for (const { topic, partition, end } of await this.#client.offsets(this.#topics())) {
      const standing = this.#assignment?.standing(topic, partition);
      if (standing) lag.set(topic, (lag.get(topic) ?? 0) + Math.max(0, end - standing.position));
    }
    return lag;
  }

  override has(topic: string): boolean {
    return super.has(topic) || this.#topics().includes(topic); // A message of a topic that is no event is heard, and refused.
  }

  override async handle(event: StoredEvent): Promise<void> {
    if (!super.has(event.topic)) throw new Error(`The message at ${event.headers[kafkaOffset]} is no event: it lacks ce_id, ce_type or tenant, or its key is not <tenant>/<key>.`);
    await super.handle(event);
  }

  async #send(events: readonly StoredEvent[]): Promise<Publication> {
    const taken: StoredEvent[] = [];
    const waiting = new Map<string, number>();
    for (const request of requests(events)) {
      const open = request.filter((event) => !waiting.has(orderingKey(event)));
      try {
        await this.#client.send(open.map((event) => ({ ...toMessage(event), topic: `${this.#options.prefix}${streamOf(event.topic)}` })));
        taken.push(...open);
      } catch (error) {
        if (!isTooLarge(error) || taken.length > 0) return settled(taken, waiting, error);
        const [first, ...others] = open;
        if (others.length > 0) return this.#send([first]); // Which one it is shows one by one.
        log.error({ err: error, eventId: first.eventId, bytes: first.payload.length }, 'an event is larger than its topic allows; its key waits');
        waiting.set(orderingKey(first), this.#clock.now() + tooLargeWaitMs);
      }
    }
    return { taken, waiting };
  }

  /** Joins the group, and joins it again whatever happens. */
  async #consume(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#attempts += 1;
      try {
        await this.#fit();
        if (this.#stopping.signal.aborted) return;
        this.#subscription = this.#subscribe();
        await this.#subscription.ended;
      } catch (error) {
        if (this.#problem === undefined) log.error({ err: error }, 'the consumer of events stopped; it joins its group again');
        this.#problem = `No events are received: ${(error as Error).message}`;
      }
      void this.#assignment?.end();
      if (!this.#stopping.signal.aborted) await this.#clock.wait(retryMs, this.#stopping.signal);
    }
  }

  /** @throws Error when a topic would break the promise of one effect for each event. */
  async #fit(): Promise<void> {
    const settings = await this.#client.topics(this.#topics());
    const problem = this.#topics().map((name) => unfitness(name, settings.get(name))).find((each) => each !== undefined);
    if (problem) throw new Error(problem);
  }

  #subscribe(): Subscription {
    const { group, sessionTimeoutMs } = this.#options;
    return this.#client.subscribe({
      group,
      topics: this.#topics(),
      sessionTimeoutMs,
      onAssigned: (partitions) => void this.#assigned(partitions),
      onRevoked: () => void this.#assignment?.end(),
      onHeartbeat: () => (this.#heartbeatAt = this.#clock.now()),
      onBatch: (batch) => {
        const { topic, partition } = batch;
        const events = batch.messages.map((message) => fromMessage({ ...message, topic, partition }));
        return this.#assignment?.add(batch, events) ?? false;
      },
    });
  }

  async #assigned(partitions: ReadonlyMap<string, readonly number[]>): Promise<void> {
    void this.#assignment?.end();
    this.#silence.forget();
    this.#heartbeatAt = this.#clock.now();
    const { group, sessionTimeoutMs } = this.#options;
    const assignment = new Assignment({
      consumer: this.consumer,
      clock: this.#clock,
      subscription: this.#subscription!,
      isAlive: () => this.#clock.now() - this.#heartbeatAt < sessionTimeoutMs,
    });
    this.#assignment = assignment;
    try {
      const [committed, offsets] = await Promise.all([this.#client.committed(group, this.#topics()), this.#client.offsets(this.#topics())]);
      const ours = offsets.filter(({ topic, partition }) => partitions.get(topic)?.includes(partition));
      assignment.open(ours.map(({ topic, partition, first }) => ({ topic, partition, start: Math.max(first, committed.get(`${topic}/${partition}`) ?? 0) })));
      log.info({ group, partitions: ours.length }, 'events are received');
      this.#problem = undefined;
      this.#hasReceived = true;
    } catch (error) {
      if (this.#assignment !== assignment) return;
      this.#problem = `No events are received: ${(error as Error).message}`;
      log.warn({ err: error }, 'offsets could not be read; the consumer joins its group again');
      await this.#subscription?.stop();
    }
  }

  /** Compares now and then where the consumer stands with where the topics end. */
  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      await this.#clock.wait(watchEveryMs, signal);
      if (signal.aborted) return;
      try {
        const offsets = await this.#client.offsets(this.#topics());
        const now = this.#clock.now();
        this.#silence.observe(this.#options.group, { end: 1, position: this.#problem === undefined ? 1 : 0, activity: this.#attempts }, now);
        for (const { topic, partition, end } of offsets) {
          const standing = this.#assignment?.standing(topic, partition);
          if (standing) this.#silence.observe(`${topic}/${partition}`, { ...standing, end }, now);
        }
      } catch {
        this.#silence.forget();
      }
    }
  }

  #topics(): string[] {
    return [...new Set([...this.messageHandlers.keys()].map((topic) => `${this.#options.prefix}${streamOf(topic)}`))];
  }
}

const nothing: Publication = { taken: [], waiting: new Map() };

/** What came through before an error counts; the error comes again with the next attempt. */
function settled(taken: readonly StoredEvent[], waiting: ReadonlyMap<string, number>, error: unknown): Publication {
  if (taken.length === 0) throw error;
  return { taken, waiting };
}

/** Events in their order, cut where a request would become too large. */
function requests(events: readonly StoredEvent[]): StoredEvent[][] {
  const result: StoredEvent[][] = [];
  let bytes = Infinity;
  for (const event of events) {
    bytes += event.payload.length + 1_000; // Headers and key.
    if (bytes > requestBytes) {
      result.push([]);
      bytes = event.payload.length + 1_000;
    }
    result.at(-1)!.push(event);
  }
  return result;
}
