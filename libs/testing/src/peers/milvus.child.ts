/** For milvus.milvus.ts: a process to kill. */
import { startMilvus } from './milvus.ts';

process.on('message', () => undefined); // keeps the process
process.send!((await startMilvus()).address);
