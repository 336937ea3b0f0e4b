export { partsWithin } from './parts-within.ts';

/** Whether a part can do its work; `detail` says what is missing and what to do. */
export interface Health {
  readonly part: string;
  readonly isReady: boolean;
  /** False when only a restart of the process helps; default true. */
  readonly isLive?: boolean;
  readonly detail?: string;
}

/** A started service. */
export interface Running {
  /** What the service and the parts it needs can do now. */
  health(): Promise<readonly Health[]>;
  /** Takes no new work, finishes what is in flight, closes what it opened. */
  stop(): Promise<void>;
}

/** Resolves with the first signal to end the process. */
export function terminationSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
}
