import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError } from '@touchstone/runtime/config';

/**
 * Makes sure that one process uses a folder: it listens on a socket there. The kernel ends that with the process,
 * also after `kill -9`, and no process id can be mistaken for another's.
 *
 * @returns a function that gives the folder back.
 * @throws ConfigurationError that names the process which has it.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = lockPath(folder);
  const server = createServer((socket) => socket.on('error', () => undefined).end(String(process.pid)));
  if (!(await listens(server, path))) {
    const owner = await ownerOf(path);
    if (owner !== undefined) throw new ConfigurationError(`${folder} is in use by another touchstone (process ${owner}). Stop it, or choose another TOUCHSTONE_DATA_DIR.`);
    await rm(path, { force: true });
    if (!(await listens(server, path))) throw new ConfigurationError(`${folder} was taken by another touchstone just now.`);
  }
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}

/** A socket's path has at most 103 bytes on macOS, 107 on Linux; a deep folder gets a name in the temporary folder. */
function lockPath(folder: string): string {
  const inside = join(folder, 'lock');
  if (Buffer.byteLength(inside) <= 103) return inside;
  return join(tmpdir(), `touchstone-${createHash('sha256').update(folder).digest('hex').slice(0, 32)}.lock`);
}

const listens = (server: Server, path: string) =>
  new Promise<boolean>((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error));
    server.once('error', onError).listen(path, () => {
      server.off('error', onError);
      resolve(true);
    });
  });

/** The process id that the socket's owner tells, undefined when nobody listens any more. */
const ownerOf = (path: string) =>
  new Promise<string | undefined>((resolve) => {
    let answer = '';
    connect(path)
      .on('data', (data) => (answer += data))
      .once('end', () => resolve(answer))
      .once('error', () => resolve(undefined));
  });
