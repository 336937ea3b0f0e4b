import { parentPort, workerData } from 'node:worker_threads';

/** Slots of a thread's mailbox, a power of two. A mailbox is a counter of jobs ever sent and this ring of their addresses. */
export const mailboxSlots = 256;

/** Which function of the kernels a job is for: in the low bits of its address, which are zero otherwise. */
export const kernel = { scan: 0, prepare: 1, findPairs: 2, findHashPairs: 3 } as const;
const kernelBits = 15;

interface Start {
  readonly modules: readonly WebAssembly.Module[];
  readonly memory: WebAssembly.Memory;
  readonly mailbox: number;
}

/** Does the jobs in its mailbox one after the other for ever, and posts a message after each. */
function workForEver({ modules, memory, mailbox }: Start): void {
  const functions = Object.assign({}, ...modules.map((module) => new WebAssembly.Instance(module, { env: { memory } }).exports)) as Record<keyof typeof kernel, (job: number) => void>;
  const byNumber = Object.keys(kernel).map((name) => functions[name as keyof typeof kernel]);
  const sent = new Int32Array(memory.buffer, mailbox, 1);
  const jobs = new Uint32Array(memory.buffer, mailbox + 4, mailboxSlots);
  parentPort!.postMessage('ready');
  for (let taken = 0; ; taken = (taken + 1) | 0) {
    while (Atomics.load(sent, 0) === taken) Atomics.wait(sent, 0, taken);
    const job = jobs[taken & (mailboxSlots - 1)];
    byNumber[job & kernelBits](job & ~kernelBits);
    parentPort!.postMessage('done');
  }
}

if (parentPort && workerData?.mailbox !== undefined) workForEver(workerData);
