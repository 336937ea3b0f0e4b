import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { startTemplateServer, templateServerVariable, type Answer } from './template-server.ts';

export interface TestDatabase {
  readonly name: string;
  /** Superuser, who owns the tables and sees all rows. */
  readonly ownerUrl: string;
  /** Role `<service>`. */
  readonly url: string;
  /** Role `<service>_system`. */
  readonly systemUrl: string;
  /** Ends its connections and drops it; happens by itself when the test file's process ends. */
  drop(): Promise<void>;
}

/**
 * A database for one test file, copied from a template with all migrations of all services.
 *
 * @param service whose roles `url` and `systemUrl` log in as.
 * @param isEmpty without schemas, for tests of migrations themselves; the roles exist all the same.
 */
export async function testDatabase({ service, isEmpty = false }: { service: string; isEmpty?: boolean }): Promise<TestDatabase> {
  const own = process.env[templateServerVariable] ? undefined : await startTemplateServer(); // outside vitest
  const socket = connect(own?.path ?? process.env[templateServerVariable]!);
  socket.write(isEmpty ? 'empty\n' : 'migrated\n');
  const line: string = await new Promise((resolve, reject) => {
    createInterface(socket).once('line', resolve);
    socket.once('error', reject).once('close', () => reject(new Error('The server of test databases has ended.')));
  });
  const answer = JSON.parse(line) as Answer;
  if ('error' in answer) throw new Error(`No test database: ${answer.error}`);
  const url = answer.roleUrls[service];
  if (!url) throw new Error(`No role ${service}: there is no migrations/${service}.`);
  socket.unref();
  return {
    name: answer.name,
    ownerUrl: answer.ownerUrl,
    url,
    systemUrl: answer.roleUrls[`${service}_system`],
    async drop() {
      if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve).destroy());
      await own?.stop();
    },
  };
}
