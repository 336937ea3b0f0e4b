import { durationBuckets, Histogram, registry } from '@touchstone/runtime/metrics';

const durations = new Histogram({
  name: 'touchstone_model_duration_seconds',
  help: 'Calls of models, with queueing at their server, by outcome: ok, or the name of the error.',
  labelNames: ['model', 'outcome'],
  buckets: durationBuckets,
  registers: [registry],
});

const rows = new Histogram({
  name: 'touchstone_model_batch_rows',
  help: 'Rows of one call of a model.',
  labelNames: ['model'],
  buckets: [1, 2, 4, 8, 16, 32, 64, 128],
  registers: [registry],
});

/** Notes one call of a model. */
export function noteInference(model: string, batchRows: number, seconds: number, error?: unknown): void {
  durations.observe({ model, outcome: error === undefined ? 'ok' : error instanceof Error ? error.name : 'error' }, seconds);
  rows.observe({ model }, batchRows);
}
