import { Problem, Reason, reasonName } from '@touchstone/contracts';
import { DatabaseUnavailable } from '@touchstone/persistence';
import { type Clock, systemClock } from '@touchstone/runtime/clock';
import { log } from '@touchstone/runtime/logging';
import { retryDelay, type RetryPolicy } from '@touchstone/runtime/retry';
import type { Failure } from '../operation.ts';
import type { OperationHandlers } from './operation-handler.ts';
import { type HeldOperation, LeaseLost, type OperationStore, type Outcome } from './operation-queue.ts';
import { CancelRequested, OperationRun, WorkerStopping } from './operation-run.ts';

/** One to two minutes in all: longer than the restart of a peer. */
export const defaultRetryPolicy: RetryPolicy = { attempts: 7, firstDelayMs: 2_000, maximumDelayMs: 60_000 };

/** Tenants whose turn is remembered. */
const rememberedTenants = 1_000;

/** After this time another worker takes over from one that was killed. */
export const defaultLeaseMs = 15_000;

export interface WorkerOptions {
  readonly clock?: Clock;
  /** In [0, 1). */
  readonly random?: () => number;
  /** Operations in work at once in this process; 0 to take none. Default 4. */
  readonly concurrency?: number;
  /** Longest time in which work that another process made, or a request to cancel, goes unseen. Default 1,000. */
  readonly pollMs?: number;
  /** That of the queue. Default `defaultLeaseMs`. */
  readonly leaseMs?: number;
  /** Longest wait for handlers when the process stops. Default 10,000. */
  readonly stopMs?: number;
  /** For errors that are no problems; counted anew after each checkpoint. */
  readonly retry?: RetryPolicy;
}

/**
 * Does the operations of one service, any number of workers side by side. Each is held by one worker under a lease with
 * a fencing number; when a worker is killed, another goes on from the last checkpoint.
 *
 * Fair between tenants: the next operation is of the tenant with the fewest in work in all processes; of equals, the one
 * whose turn in this process was longest ago; then the oldest.
 */
export class OperationWorker {
  readonly #options: Required<WorkerOptions>;
  readonly #runs = new Map<OperationRun, Promise<void>>();
  readonly #stopping = new AbortController();
  /** The tenant that was served last stands at the end. */
  readonly #recentTenants = new Set<string>();
  #running: Promise<void> | undefined;
  #pause = new AbortController();
  #isFailing = false;

  constructor(
    private readonly queue: OperationStore,
    private readonly handlers: Pick<OperationHandlers, 'kinds' | 'get'>,
    { clock = systemClock, random = Math.random, concurrency = 4, pollMs = 1_000, leaseMs = defaultLeaseMs, stopMs = 10_000, retry = defaultRetryPolicy }: WorkerOptions = {},
  ) {
    this.#options = { clock, random, concurrency, pollMs, leaseMs, stopMs, retry };
  }

  /** Called by Nest once all providers are there. @throws Error for a handler that cannot be. */
  onApplicationBootstrap(): void {
    const kinds = this.handlers.kinds();
    if (kinds.length > 0 && this.#options.concurrency > 0) this.#running ??= this.#run(kinds);
  }

  /** Called by Nest while the database is still open. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.stop();
  }

  /** Work was committed in this process. */
  wake(): void {
    this.#pause.abort();
  }

  /** A running operation is to stop; without effect when it runs elsewhere, where it is seen within `pollMs`. */
  cancel(id: string): void {
    for (const run of this.#runs.keys()) if (run.id === id) run.abort(new CancelRequested());
  }

  /** Lets handlers come to their next checkpoint and gives the rest to whoever comes next, at once. */
  async stop(): Promise<void> {
    const { clock, stopMs } = this.#options;
    this.#stopping.abort();
    this.wake();
    await this.#running;
    for (const run of this.#runs.keys()) run.abort(new WorkerStopping());
    const ended = new AbortController();
    const all = Promise.all(this.#runs.values()).then(() => ended.abort());
    await Promise.race([all, clock.wait(stopMs, ended.signal)]);
    for (const run of this.#runs.keys()) run.abandon();
  }

  async #run(kinds: readonly string[]): Promise<void> {
    const { clock, pollMs } = this.#options;
    while (!this.#stopping.signal.aborted) {
      this.#pause = new AbortController(); // Before the round: a commit during it means another round.
      await this.#takeAll(kinds).then(
        () => this.#succeeded(),
        (error: unknown) => this.#failed(error),
      );
      if (!this.#stopping.signal.aborted) await clock.wait(pollMs, this.#pause.signal);
    }
  }

  async #takeAll(kinds: readonly string[]): Promise<void> {
    while (this.#runs.size < this.#options.concurrency && !this.#stopping.signal.aborted) {
      const held = await this.queue.take(kinds, [...this.#recentTenants]);
      if (!held) return;
      this.#remember(held.tenant.id);
      this.#begin(held);
    }
  }

  #begin(held: HeldOperation): void {
    const run = new OperationRun(held, this.queue, this.#options.clock);
    const work = this.#work(run)
      .catch((error: unknown) => {
        const { id, kind } = held;
        if (error instanceof LeaseLost) log.warn({ operation: id, kind }, 'another worker has taken an operation over');
        else log.error({ err: error, operation: id, kind }, 'what became of an operation was not written; it is taken again when its lease expires');
      })
      .finally(() => {
        this.#runs.delete(run);
        this.wake();
      });
    this.#runs.set(run, work);
  }

  /** @throws LeaseLost, DatabaseUnavailable */
  async #work(run: OperationRun): Promise<void> {
    const { held } = run;
    const { leaseMs, pollMs, retry } = this.#options;
    const finish = (outcome: Outcome) => this.queue.finish(held, outcome.state === 'succeeded' ? run.lastProgress : run.savedProgress, outcome);
    if (held.isCancelRequested) return finish({ state: 'cancelled' });
    if (held.attempts > retry.attempts) {
      log.error({ operation: held.id, kind: held.kind, attempts: held.attempts - 1 }, 'an operation has failed: its process ended each time');
      return finish({ state: 'failed', problem: unforeseen });
    }
    try {
      await run.whileRenewing(Math.min(pollMs, leaseMs / 3), async () => {
        const { handler, fromJson } = this.handlers.get(held.kind);
        run.input = fromJson(held.input);
        const result = await handler.run(run);
        await finish({ state: 'succeeded', result });
      });
    } catch (error) {
      await this.#stopped(run, error, finish);
    }
  }

  async #stopped(run: OperationRun, error: unknown, finish: (outcome: Outcome) => Promise<void>): Promise<void> {
    const { id, kind } = run.held;
    const reason: unknown = run.signal.reason;
    if (error instanceof LeaseLost || reason instanceof LeaseLost) throw error instanceof LeaseLost ? error : reason;
    if (reason instanceof CancelRequested) return finish({ state: 'cancelled' });
    const release = (delayMs: number, isCounted: boolean) => this.queue.release(run.held, run.savedProgress, { delayMs, isCounted });
    if (reason instanceof WorkerStopping) return release(0, false);
    if (error instanceof DatabaseUnavailable) {
      log.warn({ err: error, operation: id, kind }, 'an operation waits for the database');
      return release(this.#options.pollMs, false);
    }

    const problem = error instanceof Problem ? error : undefined;
    if (problem && problem.retryAfterSeconds === undefined) return finish({ state: 'failed', problem: failureOf(problem) });
    const delayMs = retryDelay(run.attempts, this.#options.retry, this.#options.random);
    if (delayMs === undefined) {
      log.error({ err: error, operation: id, kind, attempts: run.attempts }, 'an operation has failed after its last attempt');
      return finish({ state: 'failed', problem: problem ? failureOf(problem) : unforeseen });
    }
    log.warn({ err: error, operation: id, kind, attempts: run.attempts, delayMs: Math.round(delayMs) }, 'an operation failed and is tried again');
    return release(Math.max(delayMs, (problem?.retryAfterSeconds ?? 0) * 1_000), true);
  }

  #remember(tenantId: string): void {
    this.#recentTenants.delete(tenantId);
    this.#recentTenants.add(tenantId);
    if (this.#recentTenants.size > rememberedTenants) this.#recentTenants.delete(this.#recentTenants.values().next().value!);
  }

  #succeeded(): void {
    if (this.#isFailing) log.info('operations are taken again');
    this.#isFailing = false;
  }

  #failed(error: unknown): void {
    if (!this.#isFailing) log.error({ err: error }, 'operations wait: the worker cannot take any and tries again');
    this.#isFailing = true;
  }
}

/** Shows nothing of an error that nobody foresaw; it is in the log. */
const unforeseen: Failure = { reason: reasonName(Reason.INTERNAL), detail: 'An unexpected error was logged.', violations: [] };

const failureOf = ({ reason, detail, violations }: Problem): Failure => ({ reason: reasonName(reason), detail, violations });
