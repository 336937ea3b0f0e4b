import type { Clock } from '@touchstone/runtime/clock';

/** What a process does next when the scheduler lets it. */
interface Step {
  readonly process: Process;
  readonly name: string;
  resume(): void;
}

interface Timer extends Step {
  readonly at: number;
}

/** A process of the simulation: it runs only between two steps, and a crash is that its next step never comes. */
export class Process implements Clock {
  isDead = false;
  /** It stands still until this time. */
  pausedUntil = 0;
  /** How wrong its clock is. */
  skewMs = 0;

  constructor(
    readonly name: string,
    private readonly scheduler: Scheduler,
  ) {}

  /** Lets others go first, or for ever. */
  step(name: string): Promise<void> {
    return this.scheduler.step(this, name);
  }

  now(): number {
    return this.scheduler.now + this.skewMs;
  }

  wait(ms: number, signal: AbortSignal): Promise<void> {
    return this.scheduler.wait(this, ms, signal);
  }
}

/** One thread for all processes: which of them goes on is drawn, so a seed is a history. Time passes when nobody can go on. */
export class Scheduler {
  now = Date.parse('2026-01-01T00:00:00Z');
  /** `process: step`, in order. */
  readonly trace: string[] = [];
  #ready: Step[] = [];
  #timers: Timer[] = [];

  /** @param random in [0, 1). */
  constructor(private readonly random: () => number) {}

  step(process: Process, name: string): Promise<void> {
    return new Promise((resume) => void (process.isDead || this.#ready.push({ process, name, resume })));
  }

  wait(process: Process, ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resume) => {
      if (process.isDead) return;
      if (signal.aborted) return resume();
      const timer = { process, name: 'wake', at: this.now + Math.max(0, ms), resume };
      this.#timers.push(timer);
      const stop = () => {
        if (!this.#timers.includes(timer)) return;
        this.#timers = this.#timers.filter((each) => each !== timer);
        if (!process.isDead) this.#ready.push(timer);
      };
      signal.addEventListener('abort', stop, { once: true });
    });
  }

  kill(process: Process): void {
    process.isDead = true;
    this.#ready = this.#ready.filter((step) => step.process !== process);
    this.#timers = this.#timers.filter((timer) => timer.process !== process);
  }

  note(text: string): void {
    this.trace.push(text);
  }

  /** Runs one step of somebody. @returns false when nobody will ever go on. */
  async tick(): Promise<boolean> {
    await settled();
    let able = this.#ready.filter(({ process }) => process.pausedUntil <= this.now);
    if (able.length === 0) {
      const next = Math.min(...this.#timers.map(({ at }) => at), ...this.#ready.map(({ process }) => process.pausedUntil));
      if (next === Infinity) return false;
      this.now = Math.max(this.now, next);
      const due = this.#timers.filter(({ at }) => at <= this.now);
      this.#timers = this.#timers.filter(({ at }) => at > this.now);
      this.#ready.push(...due);
      able = this.#ready.filter(({ process }) => process.pausedUntil <= this.now);
      if (able.length === 0) return true;
    }
    const chosen = able[Math.floor(this.random() * able.length)];
    this.#ready = this.#ready.filter((step) => step !== chosen);
    this.now += Math.floor(this.random() * 20); // Milliseconds that a step takes.
    this.note(`${chosen.process.name}: ${chosen.name}`);
    chosen.resume();
    return true;
  }
}

/** All that follows from the last step without another one has happened. */
const settled = () => new Promise<void>((resolve) => void setImmediate(resolve));
