// node … apps/model-server/src/main.ts --model-repository DIR --listen unix:PATH [--threads N] [--exit-with-stdin]
import { parseArgs } from 'node:util';

import { stderrLog } from './log.ts';
import { startModelServer } from './model-server.ts';

const { values } = parseArgs({
  options: {
    'model-repository': { type: 'string' },
    listen: { type: 'string', default: '127.0.0.1:8001' },
    threads: { type: 'string' },
    'exit-with-stdin': { type: 'boolean', default: false },
  },
});
const modelRepository = values['model-repository'];
if (modelRepository === undefined) throw new Error('--model-repository DIR is needed: a folder in the layout of Triton');

// Before the models load: a parent that dies early leaves no orphan. A fork notices by its channel, others by stdin.
let stop = async (): Promise<void> => {};
const end = (reason: string) => {
  stderrLog('info', 'stopping', { reason });
  setTimeout(() => process.exit(1), 12_000).unref();
  void stop().finally(() => process.exit());
};
process.on('disconnect', () => end('the parent is gone'));
if (process.send && !process.connected) end('the parent is gone');
process.once('SIGTERM', () => end('SIGTERM')).once('SIGINT', () => end('SIGINT'));
if (values['exit-with-stdin']) process.stdin.on('end', () => end('stdin closed')).resume();

const threads = values.threads === undefined ? undefined : Number(values.threads);
try {
  const server = await startModelServer({ modelRepository, listen: values.listen, threads });
  stop = server.stop;
  process.send?.({ url: server.url });
} catch (error) {
  stderrLog('error', error instanceof Error ? error.message : String(error));
  process.exit(1);
}
