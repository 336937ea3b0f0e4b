import type { JsonObject } from '@bufbuild/protobuf';
import type { Clock } from '@touchstone/runtime/clock';
import { log } from '@touchstone/runtime/logging';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import type { Progress } from '../operation.ts';
import type { OperationContext } from './operation-handler.ts';
import { type HeldOperation, LeaseLost, type OperationStore } from './operation-queue.ts';

/** Somebody asked for it. */
export class CancelRequested extends Error {
  override readonly name = 'CancelRequested';
}

/** The process ends; another worker goes on. */
export class WorkerStopping extends Error {
  override readonly name = 'WorkerStopping';
}

/** One worker's work on an operation that it holds: the handler's context, and the lease that is renewed beneath it. */
export class OperationRun implements OperationContext<unknown> {
  readonly id: string;
  readonly tenant: Tenant;
  /** As the handler's schema has it; set before the handler runs. */
  input: unknown;
  checkpoint: JsonObject | undefined;
  lastProgress: Progress;
  /** As it was with the last checkpoint: what a worker goes on from. */
  savedProgress: Progress;
  /** Attempts since the last checkpoint, this one included. */
  attempts: number;
  readonly #abort = new AbortController();
  readonly #ended = new AbortController();
  #hasNewProgress = false;

  constructor(
    readonly held: HeldOperation,
    private readonly queue: OperationStore,
    private readonly clock: Clock,
  ) {
    this.id = held.id;
    this.tenant = held.tenant;
    this.checkpoint = held.checkpoint;
    this.lastProgress = this.savedProgress = held.progress;
    this.attempts = held.attempts;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  progress(progress: Progress): void {
    this.lastProgress = progress;
    this.#hasNewProgress = true;
  }

  async save(checkpoint: JsonObject, effects?: (transaction: EntityManager) => Promise<void>): Promise<void> {
    this.signal.throwIfAborted();
    const progress = this.lastProgress;
    const isCancelRequested = await this.queue.save(this.held, checkpoint, progress, effects).catch((error: unknown) => {
      if (error instanceof LeaseLost) this.abort(error);
      throw error;
    });
    this.checkpoint = checkpoint;
    this.savedProgress = progress;
    this.#hasNewProgress = this.lastProgress !== progress;
    this.attempts = 1;
    if (isCancelRequested) this.abort(new CancelRequested());
  }

  /** Asks the handler to end; only the first reason counts. */
  abort(reason: CancelRequested | WorkerStopping | LeaseLost): void {
    this.#abort.abort(reason);
  }

  /** Leaves the lease to expire. */
  abandon(): void {
    this.#ended.abort();
  }

  /** Runs `work` while the lease is renewed. */
  async whileRenewing<T>(everyMs: number, work: () => Promise<T>): Promise<T> {
    const renewing = this.#renew(everyMs);
    try {
      return await work();
    } finally {
      this.abandon();
      await renewing;
    }
  }

  async #renew(everyMs: number): Promise<void> {
    for (;;) {
      await this.clock.wait(everyMs, this.#ended.signal);
      if (this.#ended.signal.aborted) return;
      const progress = this.#hasNewProgress ? this.lastProgress : undefined;
      this.#hasNewProgress = false;
      try {
        if (await this.queue.renew(this.held, progress)) this.abort(new CancelRequested());
      } catch (error) {
        if (error instanceof LeaseLost) this.abort(error);
        else log.warn({ err: error, operation: this.id }, 'the lease of an operation was not renewed; the fencing number protects it');
      }
    }
  }
}
