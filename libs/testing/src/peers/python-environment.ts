import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * A Python environment with exactly these packages (`name==version`; nothing else is resolved) in the user's cache. The
 * first call makes it; another list makes another one.
 *
 * @param python name of the interpreter, with its version where the packages need one.
 * @returns its folder: `bin/python`, `lib/<python>/site-packages`.
 * @throws Error that says what to install.
 */
export async function pythonEnvironment(name: string, python: string, packages: readonly string[]): Promise<string> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'touchstone-ci', name);
  const digest = createHash('sha256').update([python, ...packages].join('\n')).digest('hex').slice(0, 12);
  const folder = join(cache, digest);
  if (await exists(folder)) return folder;

  await mkdir(cache, { recursive: true });
  const made = await mkdtemp(join(cache, `${digest}-`)); // renamed when whole: a second process makes its own
  try {
    await run(python, ['-m', 'venv', made]).catch(refuse(`${name} needs ${python} with venv and pip; on Debian: apt-get install ${python}-venv`));
    const flags = ['--quiet', '--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--no-input'];
    await run(join(made, 'bin/python'), ['-m', 'pip', 'install', ...flags, ...packages]).catch(
      refuse(`pip cannot install what ${name} needs (${packages.join(' ')}); is a package index reachable?`),
    );
    await rename(made, folder).catch(async (error: NodeJS.ErrnoException) => {
      if (!(await exists(folder))) throw error;
    });
    return folder;
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false);

const refuse = (remedy: string) => (cause: Error & { stdout?: string; stderr?: string }): never => {
  const words = (cause.stderr || cause.stdout || cause.message).trim().split('\n').slice(-5).join('\n');
  throw new Error(`${remedy}\n${words}`, { cause });
};
