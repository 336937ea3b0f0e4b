import { type DescMessage, getOption } from '@bufbuild/protobuf';
import type { Tenant } from '@touchstone/runtime/tenant';
import { topic } from '@touchstone/contracts/gen/touchstone/api/v1/policy_pb';

/** Header of an event that came through Kafka: `topic/partition/offset`. */
export const kafkaOffset = 'kafka.offset';

/** Header of an event that came through Kafka, was given up and is in the outbox now, for this service alone. */
export const replayed = 'replayed';

export const isReplayed = ({ headers }: Pick<StoredEvent, 'headers'>): boolean => headers[replayed] !== undefined;

/** An event as the outbox has it and as a transport carries it. */
export interface StoredEvent {
  /** Place in the outbox or in its partition, a bigint; within one ordering key it is the order of the writers' commits. */
  readonly id: string;
  readonly eventId: string;
  readonly topic: string;
  /** The aggregate's id. */
  readonly key: string;
  readonly tenant?: Tenant;
  /** The message, protobuf. */
  readonly payload: Uint8Array;
  /** CloudEvents attributes as Kafka's binding names them (`ce_id`, `ce_time`, …), `tenant`, `traceparent`, and the writer's own. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Events with one ordering key are handled one after the other: the key of the event within its tenant. */
export const orderingKey = ({ tenant, key }: Pick<StoredEvent, 'tenant' | 'key'>): string => `${tenant?.id ?? ''}/${key}`;

/** The topic that a message's contract names. @throws Error when the message is no event. */
export function topicOf(schema: DescMessage): string {
  const name = getOption(schema, topic);
  if (!name) throw new Error(`${schema.typeName} is no event: its contract has no (touchstone.api.v1.topic).`);
  return name;
}
