import { readFile } from 'node:fs/promises';
import { Arena } from './arena.ts';
import { coarseBytes, fineBytes } from './row-headers.ts';
import { type Kept, type Scan, ScanJobs } from './scan-job.ts';
import { ScanThread } from './scan-thread.ts';
import { VectorFile } from './vectors.file.ts';

/** Bytes of rows that one thread scans as soon as two threads could be woken, would scan and be joined: about 0.15 ms. */
const sliceBytes = 6 << 20;
/**
 * Bytes of rows that the calling thread scans itself: at most some 0.1 ms. Another thread would answer 55 µs later, of which this one
 * would work 21 for the handing over (medians of 20,000). A row that is wanted goes through heaps, 0.8 µs, and counts as so many bytes.
 */
const quickBytes = 4 << 20;
const wantedBytes = 40 << 10;

/** The scanning threads with the memory they share, and the calling thread for what is quick. One for a process, shared by all its collections. */
export class Scanner {
  readonly arena = new Arena();
  /** The float32 vectors of all collections; in memory when absent. */
  readonly file: VectorFile | undefined;
  readonly #modules: readonly WebAssembly.Module[];
  /** The kernel in this thread. */
  readonly #scan: (job: number) => void;
  readonly #threads: ScanThread[] = [];
  #isClosed = false;

  private constructor(
    modules: readonly WebAssembly.Module[],
    vectorFolder: string | undefined,
    private readonly ownBytes: number,
  ) {
    this.file = vectorFolder === undefined ? undefined : new VectorFile(vectorFolder);
    this.#modules = modules;
    this.#scan = new WebAssembly.Instance(modules[0], { env: { memory: this.arena.memory } }).exports.scan as (job: number) => void;
  }

  /**
   * Starts `workers` threads (at least 1). They keep the process alive only while they scan.
   *
   * @param vectorFolder for a temporary file of the float32 vectors, which are in memory when absent: a kilobyte less a vector of
   *   256 numbers, for some 0.7 µs more for each of the dozen rows that a search scores.
   * @param ownBytes rows that are scanned without a thread; none when 0.
   */
  static async start({ workers, vectorFolder, ownBytes = quickBytes }: { workers: number; vectorFolder?: string; ownBytes?: number }): Promise<Scanner> {
    if (!Number.isInteger(workers) || workers < 1) throw new RangeError(`workers: expected an integer of at least 1, got ${workers}`);
    // The same path from src/index and from dist/index.
    const compiled = async (name: string) => WebAssembly.compile(await readFile(new URL(`../../kernel/${name}.wasm`, import.meta.url)));
    const scanner = new Scanner(await Promise.all(['scan', 'pairs'].map(compiled)), vectorFolder, ownBytes);
    for (let count = 0; count < workers; count++) scanner.#add();
    try {
      await Promise.all(scanner.#threads.map((thread) => thread.ready));
    } catch (cause) {
      await scanner.close();
      throw cause;
    }
    return scanner;
  }

  get workers(): number {
    return this.#threads.length;
  }

  /** Scans here when that is quick, otherwise in one slice or in one for each thread. Fails when a thread of it dies. */
  async scan(scan: Scan): Promise<Kept> {
    this.#assertOpen();
    const { count, wanted, readsHeads, headStride, tailStride } = scan;
    const bytes = count * (readsHeads ? headStride + coarseBytes : headStride + tailStride + coarseBytes + fineBytes);
    if (bytes + wantedBytes * Math.min(wanted, count) <= this.ownBytes) {
      const jobs = new ScanJobs(this.arena, scan, 1);
      try {
        this.#scan(jobs.addressOf(0));
        return jobs.kept();
      } finally {
        jobs.free();
      }
    }
    const threads = this.#byLoad();
    const slices = Math.min(threads.length, Math.max(1, Math.ceil(bytes / sliceBytes)));
    const jobs = new ScanJobs(this.arena, scan, slices);
    // The memory is free only when no thread writes to it any more, so wait for all, also when one fails.
    const slicesDone = await Promise.allSettled(threads.slice(0, slices).map((thread, slice) => thread.run(jobs.addressOf(slice))));
    const failed = slicesDone.find((done) => done.status === 'rejected');
    try {
      if (failed) throw failed.reason;
      return jobs.kept();
    } finally {
      jobs.free();
    }
  }

  /** Does one job of a kernel (`kernel` in scan-worker.ts) on the thread with the least to do. Fails when that thread dies. */
  run(job: number, kernel: number): Promise<void> {
    return this.#byLoad()[0].run(job | kernel);
  }

  #byLoad(): ScanThread[] {
    this.#assertOpen();
    if (this.#threads.length === 0) throw new Error('No scanning thread of the vector index could be started again; see the log.');
    return this.#threads.toSorted((a, b) => a.load - b.load);
  }

  /** Ends the threads. Searches in flight fail. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#threads.splice(0).map((thread) => thread.close()));
    this.file?.close();
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new Error('The scanner is closed.');
  }

  /** A thread that dies is replaced, unless it never came to work: its successor would die as well. */
  #add(): void {
    const thread = new ScanThread(this.arena, this.#modules, async (dead) => {
      const position = this.#threads.indexOf(dead);
      if (position >= 0) this.#threads.splice(position, 1);
      const hadWorked = await dead.ready.then(() => true, () => false);
      if (hadWorked && !this.#isClosed) this.#add();
    });
    this.#threads.push(thread);
  }
}
