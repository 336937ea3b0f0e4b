import { setTimeout as delay } from 'node:timers/promises';
import { log } from '../logging/index.ts';
import type { RecordedSpan, SpanKind } from './span.ts';

const batchSize = 512;
/** Beyond it the oldest spans are dropped: telemetry must not fill the memory. */
const maximumQueued = 8_192;
const sendEveryMs = 1_000;
const answerTimeoutMs = 10_000;
const lastPatienceMs = 3_000;

/** Numbers of opentelemetry/proto/trace/v1/trace.proto. */
const kinds: Readonly<Record<SpanKind, number>> = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 };
const statusError = 2;

/** Sends spans in batches, as OTLP's JSON over HTTP. A receiver that is away costs spans and no request. */
export class OtlpExporter {
  #queue: RecordedSpan[] = [];
  #sending: Promise<void> | undefined;
  #dropped = 0;
  #isFailing = false;
  readonly #timer: NodeJS.Timeout;

  constructor(private readonly options: { readonly url: string; readonly headers: Readonly<Record<string, string>> }) {
    this.#timer = setInterval(() => void this.#send(), sendEveryMs);
    this.#timer.unref();
  }

  add(span: RecordedSpan): void {
    if (this.#queue.length >= maximumQueued) {
      this.#queue.splice(0, batchSize);
      this.#dropped += batchSize;
    }
    this.#queue.push(span);
    if (this.#queue.length >= batchSize && !this.#isFailing) void this.#send();
  }

  /** Sends what is still here, for three seconds at most. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.race([this.#drain(), delay(lastPatienceMs, undefined, { ref: false })]);
  }

  async #drain(): Promise<void> {
    await this.#sending;
    while (this.#queue.length > 0 && !this.#isFailing) await this.#send();
  }

  #send(): Promise<void> {
    if (this.#queue.length > 0) this.#sending ??= this.#post().finally(() => (this.#sending = undefined));
    return this.#sending ?? Promise.resolve();
  }

  async #post(): Promise<void> {
    const batch = this.#queue.splice(0, batchSize);
    try {
      const { ok, status } = await fetch(this.options.url, {
        method: 'POST',
        headers: { ...this.options.headers, 'content-type': 'application/json' },
        body: JSON.stringify(exportRequest(batch)),
        signal: AbortSignal.timeout(answerTimeoutMs),
      });
      if (!ok) throw new Error(`the receiver answers ${status}`);
      if (this.#isFailing) log.info({ dropped: this.#dropped }, 'spans are sent again');
      this.#isFailing = false;
      this.#dropped = 0;
    } catch (error) {
      this.#queue = [...batch, ...this.#queue].slice(-maximumQueued);
      if (!this.#isFailing) log.warn({ err: error, url: this.options.url }, 'spans cannot be sent; the newest are kept');
      this.#isFailing = true;
    }
  }
}

/** An ExportTraceServiceRequest in OTLP's JSON: one resource for each service. */
function exportRequest(spans: readonly RecordedSpan[]): object {
  return {
    resourceSpans: [...Map.groupBy(spans, ({ service }) => service)].map(([service, own]) => ({
      resource: { attributes: attributes({ 'service.name': service, 'service.namespace': 'touchstone', 'process.pid': process.pid }) },
      scopeSpans: [{ scope: { name: 'touchstone' }, spans: own.map(toOtlp) }],
    })),
  };
}

function toOtlp({ context, parentSpanId, name, kind, startedAt, endedAt, attributes: values, error }: RecordedSpan): object {
  return {
    traceId: context.traceId,
    spanId: context.spanId,
    parentSpanId,
    flags: 1,
    name,
    kind: kinds[kind],
    startTimeUnixNano: `${startedAt}000`,
    endTimeUnixNano: `${endedAt}000`,
    attributes: attributes({ ...values, 'error.type': error }),
    status: error === undefined ? {} : { code: statusError },
  };
}

type Value = string | number | boolean;

function attributes(values: Readonly<Record<string, Value | undefined>>): object[] {
  const present = Object.entries(values).filter((entry): entry is [string, Value] => entry[1] !== undefined);
  return present.map(([key, value]) => ({ key, value: toValue(value) }));
}

function toValue(value: Value): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}
