import { Database, DatabaseUnavailable } from '@touchstone/persistence';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ApiKeyRow } from './api-key.entity.ts';
import { formatKey, hashSecret, newKeyToken, readBearer } from './key-token.ts';
import { KeyVerifier } from './key-verifier.ts';

const token = newKeyToken();
const defaultItems = 1_000;
const wrongSecret = { id: token.id, secret: newKeyToken().secret };

let now: number;
let rows: Map<string, { -readonly [Column in keyof ApiKeyRow]?: ApiKeyRow[Column] }>;
let isAway: boolean;
let items: number | null;
let lookups: number;
let uses: object[];
let verifier: KeyVerifier;

beforeEach(() => {
  now = Date.parse('2026-01-01T00:00:00Z');
  rows = new Map([[token.id, { tenantId: 'tenant', secretHash: hashSecret(token.secret), scopes: ['echo:read'], expiresAt: null, revokedAt: null, lastUsedAt: null, requestsPerMinute: null }]]);
  isAway = false;
  items = null;
  lookups = 0;
  uses = [];
  const transaction = {
    findOneBy: async (_: unknown, { id }: { id: string }) => {
      lookups += 1;
      return rows.get(id) ? { ...rows.get(id) } : null;
    },
    findOneByOrFail: async (_: unknown, { id }: { id: string }) => ({ id, items }),
    update: async (...change: unknown[]) => uses.push(change.slice(1)),
  };
  const database = {
    systemTransaction: async (work: (each: typeof transaction) => unknown) => {
      if (isAway) throw new DatabaseUnavailable('away');
      return work(transaction);
    },
  };
  verifier = new KeyVerifier(database as unknown as Database, () => now, { items: defaultItems });
});

describe('a key', () => {
  it('is read from its text and from nothing else', () => {
    expect(readBearer(`Bearer ${formatKey(token)}`)).toEqual(token);
    for (const wrong of [undefined, '', 'Bearer', formatKey(token), `Basic ${formatKey(token)}`, `Bearer ${formatKey(token)}x`, `Bearer ${formatKey(token).toUpperCase()}`]) {
      expect(readBearer(wrong)).toBeUndefined();
    }
    expect(formatKey(token)).toMatch(/^ts_live_.{12}_.{48}$/);
  });

  it('names its caller', async () => {
    expect(await verifier.verify(token)).toEqual({ tenant: { id: 'tenant', limits: { items: defaultItems } }, keyId: token.id, scopes: ['echo:read'], hasOwnLimit: false });
  });

  it('says what its tenant may have, and what is new of it within five seconds', async () => {
    items = 7;
    expect((await verifier.verify(token))!.tenant.limits).toEqual({ items: 7 });
    items = 0;
    now += 5_000;
    expect((await verifier.verify(token))!.tenant.limits).toEqual({ items: 0 });
  });

  it.each<[string, () => void, typeof token]>([
    ['unknown', () => rows.clear(), token],
    ['shown with another secret', () => undefined, wrongSecret],
    ['expired', () => (rows.get(token.id)!.expiresAt = new Date(now)), token],
    ['revoked', () => (rows.get(token.id)!.revokedAt = new Date(now)), token],
  ])('is refused when it is %s', async (_, change, shown) => {
    change();
    expect(await verifier.verify(shown)).toBeUndefined();
  });
});

describe('what is remembered', () => {
  it('asks the database once for calls at the same time and for five seconds', async () => {
    await Promise.all([verifier.verify(token), verifier.verify(token), verifier.verify(wrongSecret)]);
    now += 2_999;
    await verifier.verify(token);
    expect(lookups).toBe(1);
  });

  it('looks again in the background before it forgets, so no call waits', async () => {
    await verifier.verify(token);
    now += 4_000;
    rows.clear();
    expect(await verifier.verify(token)).toBeDefined();
    await verifier.beforeApplicationShutdown();
    expect(await verifier.verify(token)).toBeUndefined();
  });

  it('refuses a revoked key after five seconds at the latest, and an expired one at once', async () => {
    rows.get(token.id)!.expiresAt = new Date(now + 1_000);
    await verifier.verify(token);
    now += 1_000;
    expect(await verifier.verify(token)).toBeUndefined();

    rows.get(token.id)!.expiresAt = null;
    now += 5_000;
    expect(await verifier.verify(token)).toBeDefined();
    rows.get(token.id)!.revokedAt = new Date(now);
    now += 5_000;
    expect(await verifier.verify(token)).toBeUndefined();
  });

  it('remembers unknown ids too, and learns of a new key after five seconds', async () => {
    const row = rows.get(token.id)!;
    rows.clear();
    await verifier.verify(token);
    await verifier.verify(token);
    expect(lookups).toBe(1);
    rows.set(token.id, row);
    now += 5_000;
    expect(await verifier.verify(token)).toBeDefined();
  });

  it('forgets the oldest beyond ten thousand, so guessing fills no memory', async () => {
    await verifier.verify(token);
    for (let id = 0; id < 10_000; id++) await verifier.verify({ id: id.toString(16).padStart(12, '0'), secret: token.secret });
    await verifier.verify(token);
    expect(lookups).toBe(10_002);
  });
});

describe('while the database is away', () => {
  it('believes a key that was good, for a quarter of an hour', async () => {
    await verifier.verify(token);
    isAway = true;
    now += 60_000;
    expect(await verifier.verify(token)).toBeDefined();
    expect(await verifier.verify(wrongSecret)).toBeUndefined();
    now += 15 * 60_000;
    await expect(verifier.verify(token)).rejects.toThrow(DatabaseUnavailable);
  });

  it('believes no key that it has not seen', async () => {
    isAway = true;
    await expect(verifier.verify(token)).rejects.toThrow(DatabaseUnavailable);
  });
});

it('notes the use of a key at most once a minute', async () => {
  for (const step of [0, 1_000, 58_999, 1]) {
    now += step;
    await verifier.verify(token);
  }
  await verifier.beforeApplicationShutdown();
  expect(uses).toEqual([
    [{ id: token.id }, { lastUsedAt: new Date('2026-01-01T00:00:00Z') }],
    [{ id: token.id }, { lastUsedAt: new Date('2026-01-01T00:01:00Z') }],
  ]);
});
