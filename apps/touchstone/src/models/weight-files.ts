import { versionOf, type ModelEntry, type Overlay, type WeightFile } from '@touchstone/models';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { readPullInProgress, type PullInProgress } from './pull-lock.ts';

/** A file with something to compare it with. */
export type PinnedFile = WeightFile & Required<Pick<WeightFile, 'sha256' | 'bytes'>>;

export type FileState = { file: string; state: 'ready' } | { file: string; state: 'missing' | 'unpinned' | 'corrupt'; detail: string };

export interface ModelStatus {
  name: string;
  version: string;
  /** Nobody waits for it. */
  isOptional: boolean;
  /** Nobody has run these weights with this code. */
  isUnproven: boolean;
  /** `unpinned`: the manifest has no sha256 of a file, so that it is not fetched. */
  state: 'ready' | 'missing' | 'unpinned' | 'corrupt' | 'pulling';
  /** What is wrong or under way, in words; absent when ready. */
  detail?: string;
  progress?: PullInProgress;
  files: FileState[];
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

export const modelFolder = (modelsFolder: string, overlay: string, model: string): string => join(modelsFolder, overlay, model);

/** Every file of every model is read and its sha256 compared: 0.2 s for the laptop's 90 MB. */
export async function verifyModels(modelsFolder: string, overlay: string, models: Overlay): Promise<ModelStatus[]> {
  const progress = await readPullInProgress(modelsFolder);
  return Promise.all(
    Object.entries(models).map(async ([name, entry]) => {
      const folder = modelFolder(modelsFolder, overlay, name);
      const files = await Promise.all(entry.files.map((file) => verifyFile(folder, file)));
      return summary(name, entry, files, progress);
    }),
  );
}

export const isPinned = (file: WeightFile): file is PinnedFile => file.sha256 !== undefined && file.bytes !== undefined;

/** A file without a digest is refused whether it is there or not. */
export async function verifyFile(folder: string, { path, sha256, bytes }: WeightFile): Promise<FileState> {
  const file = join(folder, path);
  const found = await stat(file).catch(() => undefined);
  if (sha256 === undefined || bytes === undefined) {
    if (found === undefined) return { file: path, state: 'unpinned', detail: `the manifest has no sha256 of ${path}` };
    return { file: path, state: 'corrupt', detail: `${file} is there, and the manifest has no sha256 to compare it with` };
  }
  if (found === undefined) return { file: path, state: 'missing', detail: `${file} is not there` };
  if (found.size !== bytes) return { file: path, state: 'corrupt', detail: `${file} has ${found.size} bytes, expected ${bytes}` };
  const digest = await sha256Of(file);
  if (digest !== sha256) return { file: path, state: 'corrupt', detail: `${file} has sha256 ${digest}, expected ${sha256}` };
  return { file: path, state: 'ready' };
}

function summary(name: string, entry: ModelEntry, files: FileState[], progress: PullInProgress | undefined): ModelStatus {
  const model = { name, version: versionOf(entry), isOptional: entry.isOptional, isUnproven: entry.isUnproven };
  const wrong = files.flatMap((file) => (file.state === 'ready' ? [] : [file]));
  if (wrong.length === 0) return { ...model, state: 'ready', files };
  if (progress !== undefined) return { ...model, state: 'pulling', detail: progress.step, progress, files };
  const { state, detail } = wrong.find((file) => file.state === 'corrupt') ?? wrong.find((file) => file.state === 'unpinned') ?? wrong[0];
  return { ...model, state, detail: `${detail}; run: touchstone models pull${entry.isOptional ? ` ${name}` : ''}`, files };
}
