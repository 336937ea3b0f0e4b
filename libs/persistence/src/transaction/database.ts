import { AsyncLocalStorage } from 'node:async_hooks';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { log } from '@touchstone/runtime/logging';
import { timed } from '@touchstone/runtime/metrics';
import type { Once, StoredAnswer } from '@touchstone/runtime/once';
import { span } from '@touchstone/runtime/telemetry';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import type { Client } from 'pg';
import { createDataSource, type DataSourceOptions } from './data-source.ts';
import { noteTransaction, observePools } from './database-metrics.ts';
import { clockAheadMs } from './database-health.ts';
import { explainUnavailable } from './database-unavailable.ts';
import { doOnce, findAnswer, pruneStatement } from './once.ts';

/** One service's way to its schema: two login roles, two small pools. */
export interface DatabaseOptions extends DataSourceOptions {
  /** Connection URL of the role `<service>`. */
  url: string;
  /** Connection URL of the role `<service>_system`. */
  systemUrl: string;
}

export const DATABASE_OPTIONS = Symbol('DatabaseOptions');

/** What the consumer of events sees of a transaction that its handlers join. */
export interface InboxTransaction {
  /** For the inbox rows, before the first handler. */
  readonly transaction: EntityManager;
  /** Runs a handler whose `Database.transaction(tenant, …)` joins this transaction. Without a tenant it may join none. */
  handle<T>(tenant: Tenant | undefined, handler: () => Promise<T>): Promise<T>;
}

interface OpenTransaction {
  readonly manager: EntityManager;
  /** Set while a handler runs inside an inbox transaction for this tenant. */
  joinableBy?: Tenant;
  isOpen: boolean;
  isJoined: boolean;
  failure?: unknown;
}

/**
 * Transactions of one service.
 *
 * Two login roles, both `nosuperuser nobypassrls`, and row-level security forced on every table with a tenant:
 *
 * - `<service>` works for one tenant at a time, named for the length of a transaction (`app.tenant`). No tenant, no
 *   rows. Into the tables without a tenant's policy (outbox, inbox) it may only post: INSERT, never SELECT.
 * - `<service>_system` reads and writes those tables (relay, consumer, rebuild of indexes). It obeys row-level
 *   security too, so it sees a tenant's rows only after naming the tenant.
 *
 * So a write saves its rows and its event, and a consumer its inbox row and its effect, in one transaction of the
 * tenant's role: `insert … on conflict do nothing` needs no SELECT and its row count says whether the event is new.
 * The alternatives were weaker or heavier: one login that switches with `set role` can switch back by injected SQL,
 * and SECURITY DEFINER functions would repeat each table as a function.
 */
@Injectable()
export class Database implements OnApplicationShutdown {
  readonly #tenants: DataSource;
  readonly #system: DataSource;
  readonly #current = new AsyncLocalStorage<OpenTransaction>();
  readonly #check: () => Promise<number>;
  readonly #endObserving: () => void;
  readonly #opening = new Map<DataSource, Promise<unknown>>();
  readonly #service: string;
  #prunedAt = 0;
  #pruning: Promise<unknown> | undefined;

  constructor(@Inject(DATABASE_OPTIONS) { url, systemUrl, ...options }: DatabaseOptions) {
    this.#service = options.service;
    // A little longer than the roles' own statement_timeout, which a server that still lives keeps.
    this.#tenants = createDataSource({ answerTimeoutMs: 35_000, ...options, url });
    this.#system = createDataSource({ answerTimeoutMs: 305_000, ...options, url: systemUrl });
    this.#endObserving = observePools(options.service, { tenants: this.#tenants, system: this.#system });
    this.#check = async () => (await Promise.all([url, systemUrl].map((each) => clockAheadMs(each, options.connectTimeoutMs ?? 5_000))))[0];
  }

  /**
   * Runs `work` for one tenant and commits. Inside a handler of the inbox it joins the handler's transaction, which
   * commits later, and whose other work is lost with it when `work` throws.
   *
   * @param once names the write: its answer is kept with it, and `work` is not run again under that name.
   * @throws DatabaseUnavailable after a bounded wait.
   * @throws Error when called inside another transaction, or for another tenant than the event's.
   */
  async transaction<T>(tenant: Tenant, work: (transaction: EntityManager) => Promise<T>, once?: Once<T>): Promise<T> {
    const outer = this.#open();
    if (outer === undefined) {
      if (once === undefined) return this.#run(this.#tenants, tenant, ({ manager }) => work(manager));
      this.#pruneAnswers();
      return this.#run(this.#tenants, tenant, ({ manager }) => doOnce(manager, this.#service, once, () => work(manager)));
    }
    if (once !== undefined) throw new Error('Database.transaction: a handler of events is run once by its inbox.');
    if (outer.joinableBy === undefined || outer.isJoined) throw new Error('Database.transaction: another transaction is open here; pass it on instead.');
    if (outer.joinableBy.id !== tenant.id) throw new Error('Database.transaction: the event belongs to another tenant.');
    outer.isJoined = true;
    try {
      return await work(outer.manager);
    } catch (error) {
      outer.failure ??= error; // A handler may swallow it; half of the work must not be committed all the same.
      throw error;
    } finally {
      outer.isJoined = false;
    }
  }

  /** The answer that is kept of an earlier write under this key. @throws DatabaseUnavailable */
  async answerTo(tenant: Tenant, key: string): Promise<StoredAnswer | undefined> {
    return this.transaction(tenant, (transaction) => findAnswer(transaction, this.#service, key));
  }

  /**
   * Runs `work` as `<service>_system` and commits: outbox, inbox, dead letters, keys, and rebuilds of indexes,
   * which name the tenant whose rows they read.
   *
   * @throws DatabaseUnavailable after a bounded wait.
   * @throws Error when called inside another transaction.
   */
  async systemTransaction<T>(work: (transaction: EntityManager) => Promise<T>, { tenant }: { tenant?: Tenant } = {}): Promise<T> {
    if (this.#open()) throw new Error('Database.systemTransaction: another transaction is open here.');
    return this.#run(this.#system, tenant, ({ manager }) => work(manager));
  }

  /**
   * Runs one statement as `<service>_system`; it commits by itself, so it costs one round trip.
   *
   * @throws DatabaseUnavailable after a bounded wait.
   * @throws Error when called inside a transaction.
   */
  async systemQuery<Row>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    if (this.#open()) throw new Error('Database.systemQuery: a transaction is open here.');
    try {
      await this.#ready(this.#system);
      return await this.#system.query<Row[]>(sql, parameters);
    } catch (error) {
      throw explainUnavailable(error);
    }
  }

  /**
   * For the consumer of events: one transaction (role `<service>`) for the inbox rows of several events and for what
   * their handlers do. Rolls back as a whole when `work` throws, or when any handler's `transaction` failed.
   *
   * @param first the tenant of the first handler, if it is known: naming it costs no round trip then.
   */
  async inboxTransaction<T>(work: (inbox: InboxTransaction) => Promise<T>, first?: Tenant): Promise<T> {
    if (this.#open()) throw new Error('Database.inboxTransaction: another transaction is open here.');
    let named = first?.id;
    return this.#run(this.#tenants, first, (open) =>
      work({
        transaction: open.manager,
        handle: async (tenant, handler) => {
          if (open.joinableBy) throw new Error('InboxTransaction.handle: one handler at a time.');
          if (named !== tenant?.id) await setTenant(open.manager, tenant); // It stays for the next event: nothing runs in between.
          named = tenant?.id;
          open.joinableBy = tenant;
          try {
            const result = await handler();
            if (open.failure !== undefined) throw open.failure;
            return result;
          } finally {
            open.joinableBy = undefined;
          }
        },
      }),
    );
  }

  /**
   * Whether PostgreSQL lets both roles in and answers; for readiness.
   *
   * @returns how far the clock of this process is ahead of PostgreSQL's, in milliseconds.
   * @throws DatabaseUnavailable
   */
  async check(): Promise<number> {
    try {
      return await this.#check();
    } catch (error) {
      throw explainUnavailable(error);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.close();
  }

  /** Waits for transactions that run and closes both pools. */
  async close(): Promise<void> {
    this.#endObserving();
    await Promise.allSettled([...this.#opening.values(), this.#pruning]);
    await Promise.all([this.#tenants, this.#system].map((source) => (source.isInitialized ? source.destroy() : undefined)));
  }

  /** Once an hour, beside the writes that make new answers: where none are made, none need to go. */
  #pruneAnswers(): void {
    if (Date.now() - this.#prunedAt < 3_600_000) return;
    this.#prunedAt = Date.now();
    this.#pruning = this.#run(this.#system, undefined, ({ manager }) => manager.query(pruneStatement(this.#service))).catch((error: unknown) =>
      log.warn({ err: error }, 'answers older than a day were not deleted'),
    );
  }

  #open(): OpenTransaction | undefined {
    const current = this.#current.getStore();
    return current?.isOpen ? current : undefined;
  }

  #run<T>(source: DataSource, tenant: Tenant | undefined, work: (open: OpenTransaction) => Promise<T>): Promise<T> {
    const role = source === this.#tenants ? 'tenants' : 'system';
    return span('transaction', { kind: 'client', attributes: { 'db.system.name': 'postgresql', 'db.namespace': this.#service, 'touchstone.role': role } }, () =>
      timed(
        () => this.#commit(source, tenant, work),
        (seconds, error) => noteTransaction(this.#service, role, seconds, error),
      ),
    );
  }

  async #commit<T>(source: DataSource, tenant: Tenant | undefined, work: (open: OpenTransaction) => Promise<T>): Promise<T> {
    let queryRunner: QueryRunner | undefined;
    try {
      await this.#ready(source);
      queryRunner = source.createQueryRunner();
      const open: OpenTransaction = { manager: queryRunner.manager, isOpen: true, isJoined: false };
      let result: T;
      try {
        await begin(queryRunner, tenant);
        result = await this.#current.run(open, () => work(open));
        if (open.failure !== undefined) throw open.failure;
      } catch (error) {
        await abandon(queryRunner, error);
        throw error;
      } finally {
        open.isOpen = false;
      }
      await commit(queryRunner);
      for (const callback of afterCommits.get(open.manager) ?? []) callback();
      return result;
    } catch (error) {
      throw explainUnavailable(error);
    } finally {
      await queryRunner?.release();
    }
  }

  /** Connects on first use and again after a failure: a service starts without its database and finds it later. */
  #ready(source: DataSource): Promise<unknown> | undefined {
    if (source.isInitialized) return undefined;
    let opening = this.#opening.get(source);
    if (opening === undefined) {
      opening = source.initialize().finally(() => this.#opening.delete(source));
      this.#opening.set(source, opening);
    }
    return opening;
  }
}

const afterCommits = new WeakMap<EntityManager, (() => void)[]>();

/** Calls back once `transaction` is committed, never after a rollback. The callback must not throw. */
export function afterCommit(transaction: EntityManager, callback: () => void): void {
  const callbacks = afterCommits.get(transaction);
  if (callbacks) callbacks.push(callback);
  else afterCommits.set(transaction, [callback]);
}

/** Opens a transaction and names its tenant in one round trip; TypeORM learns of it, so that it opens no other one. */
async function begin(queryRunner: QueryRunner, tenant: Tenant | undefined): Promise<void> {
  const client: Client = await queryRunner.connect();
  await client.query(tenant ? `BEGIN; SELECT set_config('app.tenant', ${client.escapeLiteral(tenant.id)}, true)` : 'BEGIN');
  Object.assign(queryRunner, { isTransactionActive: true, transactionDepth: 1 });
}

const setTenant = (manager: EntityManager, tenant: Tenant | undefined) =>
  manager.query(`select set_config('app.tenant', $1, true)`, [tenant?.id ?? '']);

/**
 * Commits by hand: when a statement failed and its error was swallowed, PostgreSQL answers COMMIT with a cheerful
 * ROLLBACK, which TypeORM does not pass on.
 */
async function commit(queryRunner: QueryRunner): Promise<void> {
  const client: Client = await queryRunner.connect();
  const { command } = await client.query('COMMIT').catch(async (error) => {
    await discard(queryRunner);
    throw error;
  });
  if (command !== 'COMMIT') throw new Error('Nothing was committed: a statement failed in this transaction, and its error was swallowed.');
}

/** Rolls back; a connection that no longer answers is closed instead, which the server takes for a rollback. */
async function abandon(queryRunner: QueryRunner, error: unknown): Promise<void> {
  const isLost = explainUnavailable(error) !== error;
  if (isLost) return discard(queryRunner);
  await queryRunner.rollbackTransaction().catch(() => discard(queryRunner)); // The first error says more.
}

/** Closes a connection whose transaction may still be open, so that the pool does not hand it to the next caller. */
async function discard(queryRunner: QueryRunner): Promise<void> {
  if (queryRunner.isReleased) return;
  const client: Client | undefined = await queryRunner.connect().catch(() => undefined); // None when the pool gave none.
  client?.end().catch(() => undefined);
}
