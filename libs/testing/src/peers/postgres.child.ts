/** For postgres.db.spec.ts: a process to kill. */
import { startPostgres } from './postgres.ts';

process.on('message', () => undefined); // keeps the process
process.send!((await startPostgres()).url);
