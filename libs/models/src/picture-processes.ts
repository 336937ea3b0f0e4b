import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import type { HeatMap } from './heat-map.ts';
import { ModelNotReady, PictureRefused } from './models.errors.ts';
import type { Preparation } from './manifest.ts';
import type { PerceptualHash } from './perceptual-hash.ts';
import type { FreePicture } from './picture-patches.ts';
import type { PixelBounds } from './smart-resize.ts';

/** What one picture may cost. */
export interface PictureLimits {
  /** Processes that decode at the same time; started when first needed. */
  processes: number;
  /** Time for one picture; its process is killed after it. */
  timeoutMs: number;
  /** Width times height. */
  maximumPixels: number;
  /** Resident memory of one process. It watches itself each 20 ms and ends above this. */
  maximumMemoryBytes: number;
}

const defaults: PictureLimits = {
  processes: 2,
  timeoutMs: 10_000,
  maximumPixels: 40_000_000,
  maximumMemoryBytes: 1024 * 1024 * 1024,
};

/** What of a preparation is done where the picture is decoded; the rest is arithmetic on its pixels. */
export type PictureSize = Pick<Preparation, 'fit' | 'resize' | 'crop'>;

/** Message to the process. */
export interface PictureJob {
  bytes: Uint8Array;
  /** What is asked for: the part of the answer. */
  want: 'pixels' | 'free' | 'hash' | 'drawing';
  /** Of pixels. */
  size?: PictureSize;
  /** Of `free`. */
  bounds?: PixelBounds;
  /** Of a drawing. */
  map?: HeatMap;
  maximumPixels: number;
}

/** Message from the process. */
export interface PictureAnswer {
  isStarted?: true;
  /** RGB, [crop, crop, 3]. */
  pixels?: Uint8Array;
  free?: FreePicture;
  hash?: PerceptualHash;
  drawing?: Drawing;
  refused?: string;
}

/** A picture with something drawn over it. */
export interface Drawing {
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
}

type Asked = Omit<PictureJob, 'maximumPixels'>;

interface Waiting {
  job: Asked;
  index: number;
  signal?: AbortSignal;
  resolve(answer: PictureAnswer): void;
  reject(error: unknown): void;
}

const program = fileURLToPath(new URL(`./picture.process${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url));

/**
 * Decodes pictures in processes that may be killed: by their own limits, by an operator, by a hostile picture. A
 * picture whose process dies is refused; the next picture gets a new process.
 */
export class PictureProcesses {
  private readonly limits: PictureLimits;
  private readonly queue: Waiting[] = [];
  private readonly idle: ChildProcess[] = [];
  private readonly all = new Set<ChildProcess>();
  private isClosed = false;

  constructor(limits: Partial<PictureLimits> = {}) {
    this.limits = { ...defaults, ...limits };
  }

  /** Ids of the processes that run now. */
  get processIds(): number[] {
    return [...this.all].flatMap(({ pid }) => pid ?? []);
  }

  /**
   * Pixels of one picture, RGB, [crop, crop, 3].
   *
   * @param index named in PictureRefused.
   */
  async prepare(bytes: Uint8Array, size: PictureSize, index: number, signal?: AbortSignal): Promise<Uint8Array> {
    return (await this.ask({ want: 'pixels', bytes, size: { fit: size.fit, resize: size.resize, crop: size.crop } }, index, signal)).pixels!;
  }

  /** Pixels of one picture, whole, at the size that `smartResize` finds. @param index named in PictureRefused. */
  async prepareFree(bytes: Uint8Array, { factor, minimumPixels, maximumPixels }: PixelBounds, index: number, signal?: AbortSignal): Promise<FreePicture> {
    return (await this.ask({ want: 'free', bytes, bounds: { factor, minimumPixels, maximumPixels } }, index, signal)).free!;
  }

  /** PDQ of one picture, upright, on white, of at most 512 × 512 pixels. @param index named in PictureRefused. */
  async hash(bytes: Uint8Array, index: number, signal?: AbortSignal): Promise<PerceptualHash> {
    return (await this.ask({ want: 'hash', bytes }, index, signal)).hash!;
  }

  /** One picture, upright, under a heat map. @param index named in PictureRefused. */
  async draw(bytes: Uint8Array, map: HeatMap, index: number, signal?: AbortSignal): Promise<Drawing> {
    return (await this.ask({ want: 'drawing', bytes, map }, index, signal)).drawing!;
  }

  private ask(job: Asked, index: number, signal?: AbortSignal): Promise<PictureAnswer> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) return reject(new ModelNotReady('embed-image', 'it was closed', 5));
      if (job.bytes.length === 0) return reject(new PictureRefused(index, 'it is empty'));
      this.queue.push({ job, index, signal, resolve, reject });
      this.next();
    });
  }

  async close(): Promise<void> {
    this.isClosed = true;
    for (const { reject } of this.queue.splice(0)) reject(new ModelNotReady('embed-image', 'it was closed', 5));
    const ends = [...this.all].map((child) => {
      child.ref();
      return new Promise((resolve) => child.once('exit', resolve).kill('SIGKILL'));
    });
    await Promise.all(ends);
  }

  private next(): void {
    while (this.queue[0]?.signal?.aborted) {
      const { reject, signal } = this.queue.shift()!;
      reject(signal!.reason);
    }
    if (this.queue.length === 0) return;
    const child = this.idle.pop();
    if (child) this.give(child, this.queue.shift()!);
    else if (this.all.size < this.limits.processes) this.start();
  }

  private start(): void {
    const child = fork(program, [String(this.limits.maximumMemoryBytes)], {
      serialization: 'advanced',
      // The sources run by Node's own type stripping; nothing of the parent's environment or flags is needed.
      execArgv: ['--max-old-space-size=256', '--disable-warning=ExperimentalWarning'],
      env: {},
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.all.add(child);
    const diedAtStart = () => {
      const detail = 'the process that decodes pictures does not start; is the package sharp installed for this platform?';
      this.queue.shift()?.reject(new ModelNotReady('embed-image', detail, 60));
    };
    child.once('error', () => this.forget(child)).once('exit', () => this.forget(child));
    child.prependOnceListener('exit', diedAtStart).once('message', () => {
      child.off('exit', diedAtStart);
      child.channel?.unref();
      this.idle.push(child);
      this.next();
    });
    // Only a picture in work keeps the program from ending.
    child.unref();
  }

  private give(child: ChildProcess, { index, job, signal, resolve, reject }: Waiting): void {
    const kill = () => child.kill('SIGKILL');
    const timer = setTimeout(kill, this.limits.timeoutMs);
    const death = `its process ended (over ${this.limits.timeoutMs} ms or ${this.limits.maximumMemoryBytes} bytes, or broken)`;

    const finish = (settle: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', kill);
      child.off('message', onAnswer).off('exit', onDeath);
      child.channel?.unref();
      settle();
    };
    const onDeath = () => finish(() => reject(signal?.aborted ? signal.reason : new PictureRefused(index, death)));
    const onAnswer = (answer: PictureAnswer) => {
      this.idle.push(child);
      finish(() => (answer[job.want] ? resolve(answer) : reject(new PictureRefused(index, answer.refused ?? 'no answer'))));
      this.next();
    };

    signal?.addEventListener('abort', kill, { once: true });
    child.channel?.ref();
    child.once('message', onAnswer).once('exit', onDeath);
    child.send({ ...job, maximumPixels: this.limits.maximumPixels } satisfies PictureJob, (error) => error && kill());
  }

  private forget(child: ChildProcess): void {
    this.all.delete(child);
    const position = this.idle.indexOf(child);
    if (position >= 0) this.idle.splice(position, 1);
    if (!this.isClosed) this.next();
  }
}
