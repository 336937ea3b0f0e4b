/** For embedded-postgres.db.spec.ts: a process to kill. */
import { startEmbeddedPostgres } from './embedded-postgres.ts';

const postgres = await startEmbeddedPostgres({ dataDir: process.argv[2] });
process.send!(postgres.url());
process.on('message', async () => {
  await postgres.stop();
  process.disconnect();
});
