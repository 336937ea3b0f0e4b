export { type Attributes, currentTraceparent, type OpenSpan, span, type SpanKind, type SpanOptions, startSpan } from './span.ts';
export { parseTraceparent, type SpanContext } from './traceparent.ts';
export { startTracing, type Tracing, type TracingOptions } from './tracing.ts';
export { currentWork, within, type Work } from './work.ts';
