import { recordTo } from './span.ts';

export interface TracingOptions {
  /** A receiver of OTLP over HTTP, without `/v1/traces`. Nothing is recorded without it. */
  readonly endpoint?: string;
  /** `name=value,…`, values percent-encoded. */
  readonly headers?: string;
  /** In [0, 1]: how many of the traces that begin here are recorded. Default 1. */
  readonly sampleRatio?: number;
}

export interface Tracing {
  /** Sends what is still here, for three seconds at most. */
  stop(): Promise<void>;
}

/** Records spans and sends them to the endpoint. Without one it loads nothing. */
export async function startTracing({ endpoint, headers = '', sampleRatio = 1 }: TracingOptions): Promise<Tracing> {
  if (!endpoint) return { stop: async () => undefined };
  const { OtlpExporter } = await import('./otlp-exporter.ts');
  const exporter = new OtlpExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces`, headers: pairs(headers) });
  recordTo({ sampleRatio, record: (recorded) => exporter.add(recorded) });
  return {
    async stop() {
      recordTo(undefined);
      await exporter.stop();
    },
  };
}

function pairs(list: string): Record<string, string> {
  const entries = list.split(',').filter((entry) => entry.includes('='));
  return Object.fromEntries(entries.map((entry) => [entry.slice(0, entry.indexOf('=')).trim(), decodeURIComponent(entry.slice(entry.indexOf('=') + 1).trim())]));
}
