import type { DescMethod, Message } from '@bufbuild/protobuf';
import { durationBuckets, Histogram, ObservedGauge, registry } from '@touchstone/runtime/metrics';
import { currentWork, parseTraceparent, startSpan, within } from '@touchstone/runtime/telemetry';
import { type Handle, isStream } from './call-chain.ts';
import { Problem, reasonName } from './problem.ts';

/** Names of the metadata by which a call continues its caller's work. */
export const requestIdMetadata = 'x-request-id';
export const traceMetadata = 'traceparent';

const durations = new Histogram({
  name: 'touchstone_call_duration_seconds',
  help: 'Calls of contract methods by the reason of their problem; a stream lasts until it ends.',
  labelNames: ['method', 'reason'],
  buckets: durationBuckets,
  registers: [registry],
});

let open = 0;
new ObservedGauge({ name: 'touchstone_calls_in_flight', help: 'Calls of contract methods without an answer; streams that have not ended.' }).observe((set) => set({}, open));

/** Makes each call of a method a span of its caller's trace, and counts it. Log lines in it name the service and the request. */
export function observed(handle: Handle, method: DescMethod): Handle {
  const name = `${method.parent.typeName}/${method.name}`;
  // Who serves it knows its name when it starts; a contract may be served by several.
  const { service = method.parent.typeName.split('.')[1] } = currentWork();
  return (request, call) => {
    const outer = currentWork();
    const caller = { service, requestId: call.metadata.get(requestIdMetadata) ?? outer.requestId, span: parseTraceparent(call.metadata.get(traceMetadata)) ?? outer.span };
    return within(caller, async () => {
      const span = startSpan(name, { kind: 'server', attributes: { 'rpc.method': name }, beginsTrace: true });
      const startedAt = performance.now();
      open += 1;
      const end = (error?: unknown) => {
        open -= 1;
        const reason = error === undefined ? 'ok' : error instanceof Problem ? reasonName(error.reason) : 'internal';
        durations.observe({ method: name, reason }, (performance.now() - startedAt) / 1_000);
        span?.end({ error, attributes: { 'touchstone.reason': reason } });
      };
      try {
        const answer = await (span ? within({ span: span.context }, () => handle(request, call)) : handle(request, call));
        if (isStream(answer)) return observedStream(answer, end);
        end();
        return answer;
      } catch (error) {
        end(error);
        throw error;
      }
    });
  };
}

async function* observedStream(stream: AsyncIterable<Message>, end: (error?: unknown) => void): AsyncIterable<Message> {
  let failure: unknown;
  try {
    yield* stream;
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    end(failure);
  }
}
