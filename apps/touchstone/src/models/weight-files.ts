import { versionOf, type ModelEntry, type Overlay, type WeightFile } from '@touchstone/models';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { readPullInProgress, type PullInProgress } from './pull-lock.ts';

export type FileState = { file: string; state: 'ready' } | { file: string; state: 'missing' | 'corrupt'; detail: string };

export interface ModelStatus {
  name: string;
  version: string;
  /** Nobody waits for it. */
  isOptional: boolean;
  state: 'ready' | 'missing' | 'corrupt' | 'pulling';
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

export async function verifyFile(folder: string, { path, sha256, bytes }: WeightFile): Promise<FileState> {
  const file = join(folder, path);
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) return { file: path, state: 'missing', detail: `${file} is not there` };
  if (found.size !== bytes) return { file: path, state: 'corrupt', detail: `${file} has ${found.size} bytes, expected ${bytes}` };
  const digest = await sha256Of(file);
  if (digest !== sha256) return { file: path, state: 'corrupt', detail: `${file} has sha256 ${digest}, expected ${sha256}` };
  return { file: path, state: 'ready' };
}

function summary(name: string, entry: ModelEntry, files: FileState[], progress: PullInProgress | undefined): ModelStatus {
  const model = { name, version: versionOf(entry), isOptional: entry.isOptional };
  const wrong = files.flatMap((file) => (file.state === 'ready' ? [] : [file]));
  if (wrong.length === 0) return { ...model, state: 'ready', files };
  if (progress !== undefined) return { ...model, state: 'pulling', detail: progress.step, progress, files };
  const { state, detail } = wrong.find((file) => file.state === 'corrupt') ?? wrong[0];
  return { ...model, state, detail: `${detail}; run: touchstone models pull${entry.isOptional ? ` ${name}` : ''}`, files };
}
