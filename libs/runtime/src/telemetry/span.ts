import { randomBytes } from 'node:crypto';
import type { SpanContext } from './traceparent.ts';
import { toTraceparent } from './traceparent.ts';
import { currentWork, within } from './work.ts';

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** A span that has ended. */
export interface RecordedSpan {
  readonly context: SpanContext;
  readonly parentSpanId?: string;
  /** The service that did the work. */
  readonly service: string;
  readonly name: string;
  readonly kind: SpanKind;
  /** Epoch microseconds. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly attributes: Attributes;
  /** Name of the error that ended it. */
  readonly error?: string;
}

/** Takes spans as they end. */
export interface Recorder {
  record(span: RecordedSpan): void;
  /** In [0, 1]: how many of the traces that begin here are recorded. */
  readonly sampleRatio: number;
}

let recorder: Recorder | undefined;

/** From now on spans go there; without a recorder there are none, and `span` only runs its work. */
export function recordTo(next: Recorder | undefined): void {
  recorder = next;
}

/** A piece of work that goes on. */
export interface OpenSpan {
  readonly context: SpanContext;
  /** @param error what made the work fail. */
  end(result?: { name?: string; attributes?: Attributes; error?: unknown }): void;
}

export interface SpanOptions {
  /** Default `internal`. */
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  /** Begins a trace where there is none; other spans only continue one. Default false. */
  readonly beginsTrace?: boolean;
}

/** Begins a span below the current work's. @returns undefined when nobody records, or there is no trace to continue. */
export function startSpan(name: string, { kind = 'internal', attributes = {}, beginsTrace = false }: SpanOptions = {}): OpenSpan | undefined {
  if (!recorder) return undefined;
  const { span: parent, service = 'touchstone' } = currentWork();
  if (!parent && !beginsTrace) return undefined;
  const context = {
    traceId: parent?.traceId ?? randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    isSampled: parent?.isSampled ?? Math.random() < recorder.sampleRatio,
  };
  const startedAt = microseconds();
  return {
    context,
    end({ name: finalName = name, attributes: more, error } = {}) {
      if (!context.isSampled) return;
      recorder?.record({
        ...{ context, service, name: finalName, kind, startedAt },
        parentSpanId: parent?.spanId,
        endedAt: microseconds(),
        attributes: { ...attributes, ...more },
        error: error === undefined ? undefined : nameOf(error),
      });
    },
  };
}

/** Runs work as a span below the current one. */
export async function span<T>(name: string, options: SpanOptions, work: () => Promise<T>): Promise<T> {
  const open = startSpan(name, options);
  if (!open) return work();
  try {
    const result = await within({ span: open.context }, work);
    open.end();
    return result;
  } catch (error) {
    open.end({ error });
    throw error;
  }
}

/** The current span as a header, for who continues its trace. */
export function currentTraceparent(): string | undefined {
  const { span: current } = currentWork();
  return current && toTraceparent(current);
}

const microseconds = () => Math.round((performance.timeOrigin + performance.now()) * 1_000);

/** Without the message: it may quote what a caller sent. */
const nameOf = (error: unknown): string => (error instanceof Error ? error.name : typeof error);
