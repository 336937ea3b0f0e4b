import { Injectable } from '@nestjs/common';
import { Problem, Reason } from '@touchstone/contracts';
import { Database } from '@touchstone/persistence';
import { log } from '@touchstone/runtime/logging';

/** Of a tenant for which nobody set another one. */
export const defaultRequestsPerMinute = 600_000;

const windowSeconds = 60;
/** A gateway takes this share of the limit at once: what it does not use is lost to the others for the minute. */
const share = 1 / 100;
const largestChunk = 500;
/** While the database is away each gateway counts by itself, and asks again after this time. */
const outageMs = 10_000;

/** What this gateway holds of a tenant's minute. */
interface Holding {
  readonly limit: number;
  /** Requests that this gateway may still let through. */
  left: number;
  /** What nobody had taken when this was taken. */
  readonly leftElsewhere: number;
  readonly endsAt: number;
}

/** Fields of draft-ietf-httpapi-ratelimit-headers-10. */
export type RateLimitHeaders = Readonly<Record<'ratelimit-policy' | 'ratelimit', string>>;

/** Whose requests are counted: a tenant's, or a key's that has a limit of its own. */
export interface Counted {
  /** In the headers. */
  readonly policy: 'requests' | 'key';
  readonly id: string;
}

/** Where the counts are, and the statement that knows the limit of `$1`. */
const sources = {
  requests: { table: 'gateway.request_count', column: 'tenant_id', limit: 'select requests_per_minute from gateway.tenant where id = $1' },
  key: { table: 'gateway.key_request_count', column: 'key_id', limit: 'select requests_per_minute from gateway.api_key where id = $1' },
};

/**
 * Counts the requests of tenants and keys over all gateways, in PostgreSQL. A gateway takes some of a minute's requests at
 * once and hands them out by itself, so that few requests wait for the database; together the gateways never let through
 * more than the limit.
 */
@Injectable()
export class RateLimiter {
  readonly #holdings = new Map<string, Holding>();
  readonly #takings = new Map<string, Promise<Holding>>();

  constructor(
    private readonly database: Database,
    private readonly now: () => number = Date.now,
    /** Of what nobody gave another limit. */
    private readonly defaultLimit = defaultRequestsPerMinute,
  ) {}

  /**
   * Takes one request.
   *
   * @returns the headers that tell the caller where it stands: what remains is what it was when last asked.
   */
  async take(counted: Counted): Promise<{ isAllowed: boolean; headers: RateLimitHeaders; retryAfterSeconds: number }> {
    for (;;) {
      const holding = this.#held(counted) ?? (await this.#takeMore(counted));
      const now = this.now();
      if (now >= holding.endsAt) continue;
      const isAllowed = holding.left > 0;
      if (isAllowed) holding.left -= 1;
      else if (holding.leftElsewhere > 0) continue; // others that waited had all of it
      const retryAfterSeconds = Math.ceil((holding.endsAt - now) / 1_000);
      const headers = {
        'ratelimit-policy': `"${counted.policy}";q=${holding.limit};w=${windowSeconds}`,
        ratelimit: `"${counted.policy}";r=${holding.left + holding.leftElsewhere};t=${retryAfterSeconds}`,
      };
      return { isAllowed, headers, retryAfterSeconds };
    }
  }

  #held({ id }: Counted): Holding | undefined {
    const holding = this.#holdings.get(id);
    if (!holding || this.now() >= holding.endsAt) return undefined;
    return holding.left > 0 || holding.leftElsewhere === 0 ? holding : undefined;
  }

  /** Requests that come meanwhile wait for the same answer. */
  #takeMore(counted: Counted): Promise<Holding> {
    let taking = this.#takings.get(counted.id);
    if (!taking) {
      taking = this.#ask(counted).finally(() => this.#takings.delete(counted.id));
      this.#takings.set(counted.id, taking);
    }
    return taking;
  }

  async #ask(counted: Counted): Promise<Holding> {
    const known = this.#holdings.get(counted.id)?.limit;
    const chunk = known === undefined ? 1 : Math.min(largestChunk, Math.ceil(known * share));
    const holding = await this.#fromDatabase(counted, chunk).catch((error: unknown): Holding => {
      log.warn({ err: error }, 'requests of other gateways are not counted: the database does not answer');
      const limit = known ?? this.defaultLimit;
      return { limit, left: limit, leftElsewhere: 0, endsAt: this.now() + outageMs };
    });
    this.#holdings.set(counted.id, holding);
    return holding;
  }

  async #fromDatabase({ policy, id }: Counted, chunk: number): Promise<Holding> {
    const askedAt = this.now();
    const { table, column, limit: limitOf } = sources[policy];
    const [row] = await this.database.systemQuery<{ taken: string; left_ms: number; requests_per_minute: number | null }>(
      `with counted as (
         insert into ${table} as present (${column}, minute, taken) values ($1, date_trunc('minute', now()), $2)
         on conflict (${column}) do update set
           taken = $2 + case when present.minute = excluded.minute then present.taken else 0 end, minute = excluded.minute
         returning taken, minute)
       select taken, (extract(epoch from minute - now()) * 1000)::float8 + ${windowSeconds * 1_000} as left_ms,
         (${limitOf})
       from counted`,
      [id, chunk],
    );
    const limit = row.requests_per_minute ?? this.defaultLimit;
    const taken = Number(row.taken);
    const left = Math.min(chunk, Math.max(0, limit - (taken - chunk)));
    return { limit, left, leftElsewhere: Math.max(0, limit - taken), endsAt: askedAt + row.left_ms };
  }
}

export const tooManyRequests = ({ policy }: Counted, retryAfterSeconds: number) =>
  new Problem({ reason: Reason.TOO_MANY_REQUESTS, detail: `The ${policy === 'key' ? 'key' : 'tenant'} has used up the requests of this minute.`, retryAfterSeconds });
