import { setTimeout as delay } from 'node:timers/promises';
import { expect, vi } from 'vitest';

/** A rest between two writes, so that an outage of 30 s means some hundreds of items. */
const restMs = 40;
const retryMs = 100;

/**
 * A client that writes one item after the other. As clients should, it sends what was not acknowledged again under its
 * idempotency key; a refusal must be a 503 that says when to come again.
 */
export class Traffic {
  /** Items 0 to `acknowledged - 1` were. */
  acknowledged = 0;
  /** What came instead of an acknowledgement, by kind. */
  readonly refusals = new Map<string, number>();
  readonly #place: string;
  readonly #collection: string;
  readonly #headers: Record<string, string>;
  readonly #mistakes: string[] = [];
  #isStopping = false;
  #running: Promise<void> = Promise.resolve();

  private constructor(url: string, key: string, collection: string) {
    this.#collection = collection;
    this.#place = `${url}/v1/collections/${collection}`;
    this.#headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  }

  /** Makes the collection and begins to write. */
  static async begin(url: string, key: string, collection: string): Promise<Traffic> {
    const traffic = new Traffic(url, key, collection);
    const made = await traffic.call('PUT', '', { spaces: [{ name: 'text' }] });
    expect(made.status, await made.text()).toBe(200);
    traffic.#running = traffic.#write();
    while (traffic.acknowledged < 10) await traffic.recovered();
    return traffic;
  }

  /** A reading call, again when the connection was one to a process that is gone. */
  async #read(path: string): Promise<Response> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.call('GET', path);
      } catch (error) {
        if (tries === 5) throw error;
        await delay(retryMs);
      }
    }
  }

  call(method: string, path: string, body?: object, idempotencyKey?: string): Promise<Response> {
    const headers = idempotencyKey ? { ...this.#headers, 'idempotency-key': idempotencyKey } : this.#headers;
    return fetch(`${this.#place}${path}`, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(60_000) });
  }

  /** @returns milliseconds until a write that begins after now is acknowledged. */
  async recovered(): Promise<number> {
    const [began, before] = [performance.now(), this.acknowledged];
    while (this.acknowledged < before + 2) {
      expect(this.#mistakes).toEqual([]);
      await delay(10);
    }
    return Math.round(performance.now() - began);
  }

  /** Effects so far, as the consumer of the events counts them. */
  async effects(): Promise<{ items: number; upserts: number }> {
    const answer = await this.#read('');
    return ((await answer.json()) as { statistics: { items: number; upserts: number } }).statistics;
  }

  /** Waits until all effects are there. @returns milliseconds that it took. */
  async caughtUp(): Promise<number> {
    const began = performance.now();
    const items = this.acknowledged;
    await vi.waitFor(async () => expect((await this.effects()).upserts).toBeGreaterThanOrEqual(items), { timeout: 120_000, interval: 50 });
    return Math.round(performance.now() - began);
  }

  /**
   * Ends with the write that is under way. What was acknowledged is found, each had its effect once, and no refusal was a
   * wrong one.
   *
   * @param others effects of writes to the same items by somebody else.
   */
  async endAndCheck(others = 0): Promise<void> {
    this.#isStopping = true;
    await this.#running;
    expect(this.#mistakes).toEqual([]);
    const items = this.acknowledged;
    await vi.waitFor(async () => expect(await this.effects()).toMatchObject({ items, upserts: items + others }), { timeout: 120_000, interval: 200 });
    for (let first = 0; first < items; first += 20) {
      const ids = Array.from({ length: Math.min(20, items - first) }, (_, index) => `item-${first + index}`);
      const answers = await Promise.all(ids.map((id) => this.#read(`/items/${id}`)));
      expect(answers.map(({ status }, index) => `${ids[index]} ${status}`)).toEqual(ids.map((id) => `${id} 200`));
      await Promise.all(answers.map((answer) => answer.arrayBuffer()));
    }
    const search = await this.call('POST', '/search', { query: { text: title(items - 1) }, limit: 1 });
    expect(await search.json()).toMatchObject({ hits: [{ id: `item-${items - 1}` }] });
  }

  /** For the table of results. */
  toString(): string {
    const refused = [...this.refusals].map(([kind, times]) => `${times} × ${kind}`).join(', ');
    return `${this.acknowledged} writes acknowledged, ${refused ? `after ${refused}` : 'none refused'}; each found, each effect once`;
  }

  async #write(): Promise<void> {
    while (!this.#isStopping) {
      const number = this.acknowledged;
      const item = { id: `item-${number}`, title: title(number), attributes: { number } };
      while (!(await this.#isAcknowledged(item, `${this.#collection}-${number}`))) {
        if (this.#mistakes.length > 0) return;
        await delay(retryMs);
      }
      this.acknowledged += 1;
      await delay(restMs);
    }
  }

  async #isAcknowledged(item: object, key: string): Promise<boolean> {
    try {
      const answer = await this.call('POST', '/items:upsert', { items: [item] }, key);
      const text = await answer.text();
      if (answer.status === 200) return true;
      if (answer.status !== 503 || !/^\d+$/.test(answer.headers.get('retry-after') ?? '')) this.#mistakes.push(`${answer.status} ${text}`);
      this.#count(`503 ${/"type":"\/problems\/([^"]*)/.exec(text)?.[1]}`);
    } catch {
      this.#count('no answer');
    }
    return false;
  }

  #count(kind: string): void {
    this.refusals.set(kind, (this.refusals.get(kind) ?? 0) + 1);
  }
}

/** Distinct enough that a search for one finds it. */
const title = (number: number) => `Report ${number}: ${['river', 'mountain', 'harbour', 'forest', 'desert', 'island', 'city'][number % 7]} number ${number}`;
