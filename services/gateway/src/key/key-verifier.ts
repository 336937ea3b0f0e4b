import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { Database, DatabaseUnavailable } from '@touchstone/persistence';
import { log } from '@touchstone/runtime/logging';
import type { Caller } from '@touchstone/runtime/tenant';
import { ApiKeyRow, TenantRow } from './api-key.entity.ts';
import { hashSecret, isSameHash, type KeyToken } from './key-token.ts';

/** A key that was looked up is looked up again in the background after this time … */
const refreshAfterMs = 3_000;
/** … and is not believed any longer after this one, so a revoked key is refused by then. */
const lifetimeMs = 5_000;
/** While the database is away, a key that was good is believed for this long. */
const outageLifetimeMs = 15 * 60_000;
const usePrecisionMs = 60_000;
const maximumRemembered = 10_000;

/** Who showed a key. */
export interface KeyHolder extends Caller {
  /** The key has a limit of requests of its own. */
  readonly hasOwnLimit: boolean;
}

interface Known {
  /** Undefined for an id that no key has. */
  readonly row: Pick<ApiKeyRow, 'secretHash' | 'oldSecretHash' | 'oldSecretUntil' | 'expiresAt' | 'revokedAt'> | undefined;
  readonly caller: KeyHolder | undefined;
  /** When the database last said so. */
  readonly seenAt: number;
  /** When the database was last asked; later than `seenAt` while it is away. */
  checkedAt: number;
  usedAt: number;
}

/** Knows callers by their keys. What it looked up it remembers for a few seconds, so the hot path asks no database. */
@Injectable()
export class KeyVerifier implements BeforeApplicationShutdown {
  private readonly known = new Map<string, Known>();
  private readonly lookups = new Map<string, Promise<Known>>();
  private readonly uses = new Set<Promise<void>>();

  constructor(
    private readonly database: Database,
    private readonly now: () => number = Date.now,
    /** What a tenant may have of which nobody said something else. */
    private readonly defaultLimits: { readonly items?: number } = {},
  ) {}

  /**
   * The caller, or undefined when the key is unknown, wrong, expired or revoked.
   *
   * @throws DatabaseUnavailable when the key was not looked up before and the database is away.
   */
  async verify({ id, secret }: KeyToken): Promise<KeyHolder | undefined> {
    const hash = hashSecret(secret);
    const remembered = this.fresh(id);
    // A secret that is wrong may be newer than what is remembered of its key.
    const known = remembered && (!remembered.row || this.isRight(hash, remembered)) ? remembered : await this.lookUp(id);
    const { row, caller } = known;
    const now = this.now();
    if (!this.isRight(hash, known) || !row || row.revokedAt || (row.expiresAt && row.expiresAt.getTime() <= now)) return undefined;
    if (now - known.usedAt >= usePrecisionMs) this.noteUse(id, known, now);
    return caller;
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.allSettled([...this.uses, ...this.lookups.values()]);
  }

  private isRight(hash: Buffer, { row }: Known): boolean {
    const isNew = isSameHash(hash, row?.secretHash ?? hashOfNothing);
    const isOld = isSameHash(hash, row?.oldSecretHash ?? hashOfNothing) && (row?.oldSecretUntil?.getTime() ?? 0) > this.now();
    return row !== undefined && (isNew || isOld);
  }

  private fresh(id: string): Known | undefined {
    const known = this.known.get(id);
    if (!known) return undefined;
    const age = this.now() - known.checkedAt;
    if (age >= lifetimeMs) return undefined;
    if (age >= refreshAfterMs) this.lookUp(id).catch(() => undefined);
    return known;
  }

  /** Calls at the same time share one lookup. */
  private lookUp(id: string): Promise<Known> {
    let lookup = this.lookups.get(id);
    if (!lookup) {
      lookup = this.read(id).finally(() => this.lookups.delete(id));
      this.lookups.set(id, lookup);
    }
    return lookup;
  }

  private async read(id: string): Promise<Known> {
    const before = this.known.get(id);
    let row: ApiKeyRow | null;
    let tenant: KeyHolder['tenant'] | undefined;
    try {
      [row, tenant] = await this.database.systemTransaction(async (transaction) => {
        const row = await transaction.findOneBy(ApiKeyRow, { id });
        return [row, row ? this.tenantOf(await transaction.findOneByOrFail(TenantRow, { id: row.tenantId })) : undefined];
      });
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable) || !before?.row || this.now() - before.seenAt > outageLifetimeMs) throw error;
      log.warn({ err: error, keyId: id }, 'the database is away: a key that was good before is believed');
      before.checkedAt = this.now();
      return before;
    }
    const now = this.now();
    const caller = row && Object.freeze({ tenant: tenant!, keyId: id, scopes: Object.freeze(row.scopes), hasOwnLimit: row.requestsPerMinute !== null });
    const known: Known = {
      row: row ?? undefined,
      // The same object as long as nothing changed, for whoever remembers something by it.
      caller: before?.caller && JSON.stringify(before.caller) === JSON.stringify(caller) ? before.caller : (caller ?? undefined),
      seenAt: now,
      checkedAt: now,
      usedAt: before?.usedAt ?? row?.lastUsedAt?.getTime() ?? 0,
    };
    this.known.delete(id);
    this.known.set(id, known);
    if (this.known.size > maximumRemembered) this.known.delete(this.known.keys().next().value!);
    return known;
  }

  private tenantOf({ id, items }: TenantRow): KeyHolder['tenant'] {
    const limit = items ?? this.defaultLimits.items;
    return Object.freeze({ id, ...(limit === undefined ? {} : { limits: Object.freeze({ items: limit }) }) });
  }

  private noteUse(id: string, known: Known, now: number): void {
    known.usedAt = now;
    const use: Promise<void> = this.database
      .systemTransaction((transaction) => transaction.update(ApiKeyRow, { id }, { lastUsedAt: new Date(now) }))
      .then(
        () => undefined,
        (error: unknown) => log.warn({ err: error, keyId: id }, 'the use of a key was not noted'),
      )
      .finally(() => this.uses.delete(use));
    this.uses.add(use);
  }
}

const hashOfNothing = hashSecret('');
