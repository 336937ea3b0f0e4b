import { nearest } from '@touchstone/runtime/config';
import { givenSettings, readConfiguration, settings } from './configuration.ts';
import { UsageError } from './usage-error.ts';

/** `config explain`: every setting with its value, where that comes from, and what it means. */
export async function config([action]: readonly string[]): Promise<number> {
  if (action !== 'explain') throw new UsageError('expected: config explain');
  const { values, sources } = givenSettings();
  for (const [name, type] of Object.entries(settings)) {
    const fallback = type.safeParse(undefined).data;
    const value = values[name] ?? (fallback === undefined ? '(none)' : String(fallback));
    process.stdout.write(`${name}=${withoutSecret(name, value)}\n  ${sources[name]}; ${type.description}\n`);
  }
  for (const name of Object.keys(process.env).filter((given) => given.startsWith('TOUCHSTONE_') && !(given in settings) && !others.includes(given))) {
    process.stdout.write(`${name} is set and means nothing${nearest(name, Object.keys(settings))}\n`);
  }
  readConfiguration(); // Says what is wrong, if anything is.
  return 0;
}

/** Read elsewhere: the settings' own file, data sets of tests. */
const others = ['TOUCHSTONE_CONFIG', 'TOUCHSTONE_DATASETS'];

function withoutSecret(name: string, value: string): string {
  if (name === 'OTEL_EXPORTER_OTLP_HEADERS' || name === 'AWS_SECRET_ACCESS_KEY') return value === '(none)' ? value : '…';
  return value.replace(/(:\/\/[^:@/]*:)[^@/]*@/, '$1…@').replace(/^(ts_live_[0-9a-f]*_).*/, '$1…');
}
