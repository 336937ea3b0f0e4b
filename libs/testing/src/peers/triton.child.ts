/** For triton.triton.ts: a process to kill. */
import { startTriton } from './triton.ts';

process.on('message', () => undefined); // keeps the process
const { url, pid } = await startTriton({ repository: process.argv[2] });
process.send!({ url, pid });
