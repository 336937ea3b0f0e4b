import { parentPort, workerData } from 'node:worker_threads';

/** Slots of a thread's mailbox, a power of two. A mailbox is a counter of jobs ever sent and this ring of their addresses. */
export const mailboxSlots = 256;

/** Scans the jobs in its mailbox one after the other for ever, and posts a message after each. */
function scanForEver({ module, memory, mailbox }: { module: WebAssembly.Module; memory: WebAssembly.Memory; mailbox: number }): void {
  const { scan } = new WebAssembly.Instance(module, { env: { memory } }).exports as { scan: (job: number) => void };
  const sent = new Int32Array(memory.buffer, mailbox, 1);
  const jobs = new Uint32Array(memory.buffer, mailbox + 4, mailboxSlots);
  parentPort!.postMessage('ready');
  for (let taken = 0; ; taken = (taken + 1) | 0) {
    while (Atomics.load(sent, 0) === taken) Atomics.wait(sent, 0, taken);
    scan(jobs[taken & (mailboxSlots - 1)]);
    parentPort!.postMessage('done');
  }
}

if (parentPort && workerData?.mailbox !== undefined) scanForEver(workerData);
