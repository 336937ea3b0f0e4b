import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Arena } from './arena.ts';
import { mailboxSlots } from './scan-worker.ts';

const mailboxBytes = 4 + 4 * mailboxSlots;

interface Waiting {
  readonly job: number;
  readonly resolve: () => void;
  readonly reject: (cause: Error) => void;
}

/**
 * One scanning thread. Jobs go through shared memory and Atomics.notify, answers come back as messages: 5 µs there and back,
 * where messages both ways took 15 µs (medians of 5,000 on an idle machine).
 */
export class ScanThread {
  readonly #worker: Worker;
  readonly #mailbox: number;
  readonly #sent: Waiting[] = [];
  readonly #unsent: Waiting[] = [];
  #counter = 0;
  #failure: Error | undefined;
  /** Settles when the thread can scan, or could not start. */
  readonly ready: Promise<void>;

  /** @param died called once, when the thread ends without having been closed. */
  constructor(
    private readonly arena: Arena,
    modules: readonly WebAssembly.Module[],
    died: (thread: ScanThread) => void,
  ) {
    this.#mailbox = arena.allocate(mailboxBytes);
    Atomics.store(arena.int32, this.#mailbox >> 2, 0);
    this.#worker = new Worker(new URL(`./scan-worker${extname(import.meta.url)}`, import.meta.url), {
      workerData: { modules, memory: arena.memory, mailbox: this.#mailbox },
    });
    let failure: Error | undefined;
    this.#worker.on('error', (cause) => (failure = cause as Error));
    this.ready = new Promise((resolve, reject) => {
      this.#worker.on('message', (message) => (message === 'ready' ? resolve() : this.#done()));
      this.#worker.on('exit', () => {
        const isClosed = this.#failure !== undefined;
        arena.free(this.#mailbox, mailboxBytes);
        this.#end(new Error('A scanning thread of the vector index ended.', { cause: failure }));
        reject(this.#failure);
        if (!isClosed) died(this);
      });
    });
    this.ready.then(() => this.load === 0 && this.#worker.unref(), () => undefined);
  }

  /** Jobs that are not done. */
  get load(): number {
    return this.#sent.length + this.#unsent.length;
  }

  /** Does the job: an address, with the number of its kernel in the low bits. */
  run(job: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      if (this.load === 0) this.#worker.ref();
      this.#unsent.push({ job, resolve, reject });
      this.#send();
    });
  }

  async close(): Promise<void> {
    this.#end(new Error('The scanner is closed.'));
    await this.#worker.terminate();
  }

  #send(): void {
    const { int32, uint32 } = this.arena;
    const counter = this.#mailbox >> 2;
    while (this.#unsent.length > 0 && this.#sent.length < mailboxSlots) {
      const next = this.#unsent.shift()!;
      uint32[counter + 1 + (this.#counter & (mailboxSlots - 1))] = next.job;
      this.#counter = (this.#counter + 1) | 0;
      this.#sent.push(next);
      Atomics.store(int32, counter, this.#counter);
      Atomics.notify(int32, counter);
    }
  }

  #done(): void {
    this.#sent.shift()?.resolve();
    this.#send();
    if (this.load === 0) this.#worker.unref();
  }

  #end(failure: Error): void {
    this.#failure ??= failure;
    for (const { reject } of [...this.#sent.splice(0), ...this.#unsent.splice(0)]) reject(this.#failure);
  }
}
