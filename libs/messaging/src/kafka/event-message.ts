import { createHash } from 'node:crypto';
import { kafkaOffset, orderingKey, type StoredEvent } from '../outbox/stored-event.ts';

/** A Kafka message: the protobuf bytes, with CloudEvents attributes (binary content mode), tenant and traceparent as headers. */
export interface EventMessage {
  /** The ordering key, so that events which stay in order share a partition. */
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export const toMessage = (event: StoredEvent): EventMessage => ({ key: orderingKey(event), value: event.payload, headers: event.headers });

/**
 * The event of a message. One without the attributes of an event gets an id that follows from its place, and the topic
 * that it came from, so that it ends as a dead letter.
 */
export function fromMessage({ topic, partition, offset, key, value, headers }: EventMessage & { topic: string; partition: number; offset: number }): StoredEvent {
  const place = `${topic}/${partition}/${offset}`;
  const tenant = uuid.test(headers.tenant ?? '') ? { id: headers.tenant } : undefined;
  const isEvent = tenant !== undefined && uuid.test(headers.ce_id ?? '') && headers.ce_type !== undefined && key.startsWith(`${tenant.id}/`);
  return {
    id: String(offset),
    eventId: isEvent ? headers.ce_id : uuidOf(place),
    topic: isEvent ? headers.ce_type : topic,
    key: isEvent ? key.slice(tenant.id.length + 1) : key,
    tenant: isEvent ? tenant : undefined,
    payload: value,
    headers: { ...headers, [kafkaOffset]: place },
  };
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A UUID of version 8 (RFC 9562). */
function uuidOf(name: string): string {
  const digest = createHash('sha256').update(name).digest('hex');
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}
