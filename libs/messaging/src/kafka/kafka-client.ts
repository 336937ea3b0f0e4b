import { log } from '@touchstone/runtime/logging';
import kafkajs, { type Admin, type Consumer, type Kafka, type Producer } from 'kafkajs';

/**
 * The only file that knows kafkajs 2.2.4. What it works around: a failed send leaves the idempotent producer's sequence
 * numbers unsure, so that the broker may take other messages for a repetition and drop them; a rebalance lets batches of
 * the old generation through, and commits for it too; a consumer that gave up stays silent.
 */

export interface Message {
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ReceivedMessage extends Message {
  readonly offset: number;
}

/** Messages of one partition in the order of their offsets. */
export interface Batch {
  readonly topic: string;
  readonly partition: number;
  /** The offset that was asked for; the first message may have a higher one. */
  readonly from: number;
  /** The offset after the last message. */
  readonly next: number;
  readonly messages: readonly ReceivedMessage[];
}

export interface TopicSettings {
  readonly partitions: number;
  /** Milliseconds; -1 is for ever. */
  readonly retentionMs: number;
  /** Age at which a segment is closed: until then its messages outlive their retention. */
  readonly segmentMs: number;
}

export interface Offsets {
  readonly topic: string;
  readonly partition: number;
  readonly first: number;
  /** After the last message. */
  readonly end: number;
}

export interface SubscriptionOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /** Without a heartbeat for so long the group takes the partitions away. */
  readonly sessionTimeoutMs: number;
  /** A new generation began with these partitions; all earlier assignments are void. */
  onAssigned(partitions: ReadonlyMap<string, readonly number[]>): void;
  /** The generation ended. */
  onRevoked(): void;
  onHeartbeat(): void;
  /** @returns false to have nothing of it: the messages come again. */
  onBatch(batch: Batch): boolean;
}

/** One member of a consumer group. */
export interface Subscription {
  /** Resolves when the member has stopped, rejects with what stopped it. */
  readonly ended: Promise<void>;
  seek(topic: string, partition: number, offset: number): void;
  pause(topic: string, partition: number): void;
  resume(topic: string, partition: number): void;
  /** @param offset of the next message that is not done. */
  commit(topic: string, partition: number, offset: number): Promise<void>;
  /** Leaves the group. */
  stop(): Promise<void>;
}

const megabyte = 1_048_576;

export class KafkaClient {
  readonly #kafka: Kafka;
  #producer: Promise<Producer> | undefined;
  #admin: Promise<Admin> | undefined;

  /** @param brokers `host:port`. Connects on first use. */
  constructor({ brokers, clientId }: { brokers: readonly string[]; clientId: string }) {
    this.#kafka = new kafkajs.Kafka({
      brokers: [...brokers],
      clientId,
      connectionTimeout: 3_000,
      requestTimeout: 15_000,
      retry: { retries: 4, initialRetryTime: 100, maxRetryTime: 2_000 },
      logLevel: kafkajs.logLevel.WARN,
      logCreator: () => ({ namespace, log: { message, error } }) => log.debug({ namespace, error }, `kafkajs: ${message}`), // Callers log what fails.
    });
  }

  /**
   * Writes messages to all in-sync replicas, those of a partition in order. One call at a time.
   *
   * @throws what kept some of them from being acknowledged; any of them may have been written.
   */
  async send(messages: readonly (Message & { readonly topic: string })[]): Promise<void> {
    const producer = await (this.#producer ??= this.#connected(
      this.#kafka.producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false, createPartitioner: kafkajs.Partitioners.DefaultPartitioner }),
      () => (this.#producer = undefined),
    ));
    const byTopic = Map.groupBy(messages, ({ topic }) => topic);
    try {
      await producer.sendBatch({
        acks: -1,
        topicMessages: [...byTopic].map(([topic, list]) => ({ topic, messages: list.map(({ key, value, headers }) => ({ key, value: bufferOf(value), headers: { ...headers } })) })),
      });
    } catch (error) {
      this.#producer = undefined; // The next one has a new id, for which no sequence number is in doubt.
      void producer.disconnect().catch(() => undefined);
      throw error;
    }
  }

  /** Settings of those topics that exist. */
  async topics(names: readonly string[]): Promise<Map<string, TopicSettings>> {
    return this.#administer(async (admin) => {
      const existing = new Set(await admin.listTopics());
      const found = names.filter((name) => existing.has(name));
      if (found.length === 0) return new Map();
      const { topics } = await admin.fetchTopicMetadata({ topics: found });
      const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: found.map((name) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name })) });
      const setting = (name: string, key: string) =>
        Number(resources.find(({ resourceName }) => resourceName === name)!.configEntries.find(({ configName }) => configName === key)!.configValue);
      return new Map(
        topics.map(({ name, partitions }) => [name, { partitions: partitions.length, retentionMs: setting(name, 'retention.ms'), segmentMs: setting(name, 'segment.ms') }]),
      );
    });
  }

  async createTopics(topics: ReadonlyMap<string, TopicSettings>): Promise<void> {
    await this.#administer((admin) =>
      admin.createTopics({
        topics: [...topics].map(([topic, { partitions, retentionMs, segmentMs }]) => ({
          topic,
          numPartitions: partitions,
          replicationFactor: -1, // The broker's default.
          configEntries: [
            { name: 'cleanup.policy', value: 'delete' },
            { name: 'retention.ms', value: String(retentionMs) },
            { name: 'segment.ms', value: String(segmentMs) },
          ],
        })),
      }),
    );
  }

  async offsets(topics: readonly string[]): Promise<Offsets[]> {
    return this.#administer(async (admin) => {
      const all = await Promise.all(topics.map(async (topic) => (await admin.fetchTopicOffsets(topic)).map((entry) => ({ topic, ...entry }))));
      return all.flat().map(({ topic, partition, low, high }) => ({ topic, partition, first: Number(low), end: Number(high) }));
    });
  }

  /** Committed offset by `topic/partition`; none for partitions without one. */
  async committed(group: string, topics: readonly string[]): Promise<Map<string, number>> {
    return this.#administer(async (admin) => {
      const answer = await admin.fetchOffsets({ groupId: group, topics: [...topics] });
      const entries = answer.flatMap(({ topic, partitions }) => partitions.map(({ partition, offset }) => [`${topic}/${partition}`, Number(offset)] as const));
      return new Map(entries.filter(([, offset]) => offset >= 0));
    });
  }

  /** Joins a group in the background. */
  subscribe({ group, topics, sessionTimeoutMs, onAssigned, onRevoked, onHeartbeat, onBatch }: SubscriptionOptions): Subscription {
    const consumer: Consumer = this.#kafka.consumer({
      groupId: group,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: Math.round(sessionTimeoutMs / 5),
      rebalanceTimeout: sessionTimeoutMs * 2,
      maxWaitTimeInMs: 500,
      minBytes: 1,
      maxBytesPerPartition: megabyte,
      maxBytes: 8 * megabyte,
      allowAutoTopicCreation: false,
      retry: { retries: 4, initialRetryTime: 100, maxRetryTime: 2_000, restartOnFailure: async () => false }, // Who subscribed begins anew.
    });
    const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
    ended.catch(() => undefined); // Also when nobody waits yet.
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => onAssigned(new Map(Object.entries(payload.memberAssignment))));
    consumer.on(consumer.events.HEARTBEAT, onHeartbeat);
    consumer.on(consumer.events.REBALANCING, onRevoked);
    consumer.on(consumer.events.CRASH, ({ payload }) => (onRevoked(), reject(payload.error)));
    const start = async () => {
      await consumer.connect();
      await consumer.subscribe({ topics: [...topics], fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: async ({ batch, resolveOffset }) => {
          const isTaken = onBatch({
            topic: batch.topic,
            partition: batch.partition,
            from: Number((batch as unknown as { fetchedOffset: string }).fetchedOffset),
            next: Number(batch.lastOffset()) + 1,
            messages: batch.messages.map(({ offset, key, value, headers }) => ({ offset: Number(offset), key: key?.toString() ?? '', value: value ?? new Uint8Array(), headers: textHeaders(headers) })),
          });
          if (isTaken) resolveOffset(batch.lastOffset());
        },
      });
    };
    start().catch(async (error: unknown) => {
      await consumer.disconnect().catch(() => undefined);
      reject(error);
    });
    return {
      ended,
      seek: (topic, partition, offset) => consumer.seek({ topic, partition, offset: String(offset) }),
      pause: (topic, partition) => consumer.pause([{ topic, partitions: [partition] }]),
      resume: (topic, partition) => consumer.resume([{ topic, partitions: [partition] }]),
      commit: (topic, partition, offset) => consumer.commitOffsets([{ topic, partition, offset: String(offset) }]),
      async stop() {
        await consumer.disconnect().catch(() => undefined);
        resolve();
      },
    };
  }

  async close(): Promise<void> {
    const open = await Promise.allSettled([this.#producer, this.#admin]);
    await Promise.allSettled(open.map((result) => (result.status === 'fulfilled' ? result.value?.disconnect() : undefined)));
  }

  async #administer<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = await (this.#admin ??= this.#connected(this.#kafka.admin({ retry: { retries: 2 } }), () => (this.#admin = undefined)));
    return work(admin);
  }

  async #connected<Client extends Producer | Admin>(client: Client, forget: () => void): Promise<Client> {
    try {
      await client.connect();
      return client;
    } catch (error) {
      forget();
      await client.disconnect().catch(() => undefined);
      throw error;
    }
  }
}

/** Whether the broker refused a message for its size: it will do so for ever. */
export const isTooLarge = (error: unknown): boolean => (error as { type?: string }).type === 'MESSAGE_TOO_LARGE';

/** kafkajs writes the decimal numbers of any other array. */
const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function textHeaders(headers: Readonly<Record<string, unknown>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(Array.isArray(value) ? value[0] : value)]));
}
