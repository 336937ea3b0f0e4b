import { durationBuckets, Histogram, registry, timed } from '@touchstone/runtime/metrics';
import { parseTraceparent, span, within } from '@touchstone/runtime/telemetry';
import type { StoredEvent } from '../outbox/stored-event.ts';

const durations = new Histogram({
  name: 'touchstone_event_duration_seconds',
  help: 'Handling of one event by its handler, without the commit, by outcome: ok or error.',
  labelNames: ['topic', 'outcome'],
  buckets: durationBuckets,
  registers: [registry],
});

/** Runs the handler of an event as a span of the trace that the event's writer was part of. */
export function observedHandling({ topic, eventId, headers }: StoredEvent, handle: () => Promise<void>): Promise<void> {
  const options = { kind: 'consumer', attributes: { 'messaging.destination.name': topic, 'messaging.message.id': eventId } } as const;
  return within({ span: parseTraceparent(headers.traceparent) }, () =>
    span(`process ${topic}`, options, () => timed(handle, (seconds, error) => durations.observe({ topic, outcome: error === undefined ? 'ok' : 'error' }, seconds))),
  );
}
