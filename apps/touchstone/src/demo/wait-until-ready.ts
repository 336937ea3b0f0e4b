import { ConfigurationError } from '@touchstone/runtime/config';
import type { Readiness } from './rest-client.ts';

const pollMs = 1_000;
const patienceMs = 15 * 60_000;

interface Options {
  readonly readiness: () => Promise<Readiness>;
  /** Hears what is being waited for whenever that changes. */
  readonly onWaiting: (words: string) => void;
  readonly wait: (ms: number) => Promise<unknown>;
}

/**
 * Waits until every part of the platform is ready: on the first start the models are still being pulled.
 *
 * @throws ConfigurationError after a quarter of an hour, with the parts that are not ready.
 */
export async function waitUntilReady({ readiness, onWaiting, wait }: Options): Promise<void> {
  let last = '';
  for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += pollMs) {
    const { isReady, parts } = await readiness();
    if (isReady) return;
    const missing = parts.filter((part) => !part.isReady).map(({ part, detail }) => (detail ? `${part}: ${detail}` : part));
    const words = missing.join('; ') || 'the platform does not say what for';
    if (words !== last) onWaiting(words);
    last = words;
    await wait(pollMs);
  }
  throw new ConfigurationError(`The platform is still not ready (${last}). \`npm run touchstone doctor\` says what is missing.`);
}
