import { setTimeout } from 'node:timers/promises';
import { ConfigurationError } from '@touchstone/runtime/config';

/** What `GET /readyz` answers. */
export interface Readiness {
  readonly isReady: boolean;
  readonly parts: readonly { readonly part: string; readonly isReady: boolean; readonly detail?: string }[];
}

interface Options {
  readonly url: string;
  readonly key: string;
  /** Hears what is being waited for. */
  readonly onWaiting?: (words: string) => void;
  readonly wait?: (ms: number) => Promise<unknown>;
}

const patienceMs = 10 * 60_000;

/** A client of the public REST API as anybody could write it. */
export class RestClient {
  private readonly url: string;
  private readonly key: string;
  private readonly onWaiting: (words: string) => void;
  private readonly wait: (ms: number) => Promise<unknown>;

  constructor({ url, key, onWaiting = () => undefined, wait = setTimeout }: Options) {
    this.url = url;
    this.key = key;
    this.onWaiting = onWaiting;
    this.wait = wait;
  }

  /** @throws ConfigurationError when nothing answers at the address. */
  async readiness(): Promise<Readiness> {
    const response = await this.fetch('/readyz', {});
    const { parts = [] } = (await response.json().catch(() => ({}))) as Partial<Readiness>;
    return { isReady: response.ok, parts };
  }

  /**
   * Sends JSON and returns the answer's. While the answer is 429 or 503 with `Retry-After`, it waits as told and asks
   * again, for ten minutes in all.
   *
   * @throws ConfigurationError with the problem's own words on any other answer than 2xx.
   */
  async send<Answer>(method: 'PUT' | 'POST', path: string, body: object): Promise<Answer> {
    for (let waitedMs = 0; ; ) {
      const response = await this.fetch(path, {
        method,
        headers: { authorization: `Bearer ${this.key}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      if (response.ok) return (await response.json()) as Answer;

      const retryAfterMs = 1_000 * Number(response.headers.get('retry-after') ?? Number.NaN);
      const mayRetry = (response.status === 429 || response.status === 503) && retryAfterMs >= 0 && waitedMs < patienceMs;
      if (!mayRetry) throw await refused(method, path, response);
      this.onWaiting(`${problemWords(await response.text()) ?? response.status}; asking again in ${retryAfterMs / 1_000} s`);
      await this.wait(retryAfterMs);
      // At least a second each: `Retry-After: 0` must not make this endless.
      waitedMs += Math.max(retryAfterMs, 1_000);
    }
  }

  private async fetch(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(`${this.url}${path}`, init);
    } catch (error) {
      const reason = ((error as Error).cause as Error | undefined)?.message ?? (error as Error).message;
      throw new ConfigurationError(
        `No platform answers at ${this.url} (${reason}). Start one with \`npm start\` in another shell, or set TOUCHSTONE_URL.`,
        { cause: error },
      );
    }
  }
}

async function refused(method: string, path: string, response: Response): Promise<ConfigurationError> {
  const text = await response.text();
  const words = problemWords(text) ?? text.slice(0, 200);
  const advice = response.status === 401 ? ' Is the key in TOUCHSTONE_KEY or <data folder>/admin-key one of this platform?' : '';
  return new ConfigurationError(`${method} ${path} was answered with ${response.status}: ${words}${advice}`);
}

function problemWords(text: string): string | undefined {
  try {
    const { title, detail, violations = [] } = JSON.parse(text);
    const places = violations.map(({ pointer, detail }: { pointer?: string; detail?: string }) => `\n  ${pointer ?? ''} ${detail ?? ''}`);
    return `${title}. ${detail}${places.join('')}`;
  } catch {
    return undefined;
  }
}
