/** For kafka.kafka.ts: a process to kill. */
import { startKafka } from './kafka.ts';

process.on('message', () => undefined); // keeps the process
process.send!((await startKafka()).brokers[0]);
