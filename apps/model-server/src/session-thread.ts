import { Worker } from 'node:worker_threads';

import type { RawTensors } from './raw-tensor.ts';

export interface SessionData {
  file: string;
  threads: number;
}

/** What the graph itself says of a tensor, to compare with config.pbtxt. */
export interface GraphTensor {
  name: string;
  datatype: string;
  rank: number;
}

export interface ToSession {
  id: number;
  inputs: RawTensors;
  outputs: string[];
}

export type FromSession =
  | { inputs: GraphTensor[]; outputs: GraphTensor[] }
  | { failed: string }
  | { id: number; outputs: RawTensors }
  | { id: number; error: string };

const program = new URL(`./session.worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** A loaded graph in its own thread. */
export class SessionThread {
  private readonly pending = new Map<number, { resolve(outputs: RawTensors): void; reject(error: Error): void }>();
  private lastId = 0;
  private death: Error | undefined;

  private constructor(
    private readonly worker: Worker,
    readonly inputs: readonly GraphTensor[],
    readonly outputs: readonly GraphTensor[],
  ) {
    worker.on('message', (message: FromSession) => this.settle(message));
    worker.on('error', (error) => this.fail(error as Error));
    worker.on('exit', () => this.fail(new Error('the thread of the model ended')));
  }

  /** @throws Error with ONNX Runtime's words when the file is missing or corrupt. */
  static open(data: SessionData): Promise<SessionThread> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(program, { workerData: data, execArgv: [] });
      worker.once('error', reject);
      worker.once('message', (message: FromSession) => {
        worker.off('error', reject);
        if ('failed' in message) {
          reject(new Error(message.failed));
          void worker.terminate();
        } else if ('inputs' in message) {
          resolve(new SessionThread(worker, message.inputs, message.outputs));
        }
      });
    });
  }

  get isAlive(): boolean {
    return this.death === undefined;
  }

  /** Runs the graph. The inputs' memory moves to the thread. */
  run(inputs: RawTensors, outputs: string[]): Promise<RawTensors> {
    return new Promise((resolve, reject) => {
      if (this.death) return reject(this.death);
      const id = ++this.lastId;
      this.pending.set(id, { resolve, reject });
      const buffers = Object.values(inputs).map(({ bytes }) => bytes.buffer as ArrayBuffer);
      this.worker.postMessage({ id, inputs, outputs } satisfies ToSession, buffers);
    });
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }

  private settle(message: FromSession): void {
    if (!('id' in message)) return;
    const { resolve, reject } = this.pending.get(message.id)!;
    this.pending.delete(message.id);
    if ('error' in message) reject(new Error(message.error));
    else resolve(message.outputs);
  }

  private fail(error: Error): void {
    this.death ??= error;
    for (const { reject } of this.pending.values()) reject(error);
    this.pending.clear();
  }
}
