import { parseArgs } from 'node:util';
import { readConfiguration } from '../configuration.ts';
import { UsageError } from '../usage-error.ts';
import { listModels, modelStatus, PullFailed, pullModels, type ModelsFolderOptions, type PullOptions } from './index.ts';

const usage = `expected one of
  models list               models with their versions, files, licences and state
  models pull [NAME…]       bring what is missing of the models of new collections, or of those that are named
                            --files DIR: a folder with the files, for machines without a network
  models verify             compare every byte with the manifest
  --overlay NAME            of model-repository/manifest.json, for another server than the laptop's (default: laptop)`;

/** `models list|pull|verify`. */
export async function models([action, ...words]: readonly string[]): Promise<number> {
  const options = { overlay: { type: 'string' }, files: { type: 'string' } } as const;
  const { values, positionals: names } = parseArgs({ args: [...words], options, allowPositionals: action === 'pull' });
  const { overlay, files: filesFolder } = values;
  const { modelsDir: modelsFolder, modelsManifest: manifest } = readConfiguration();
  const where = { modelsFolder, manifest, overlay };
  switch (action) {
    case 'list':
      return list(where);
    case 'pull':
      return pull({ ...where, filesFolder, models: names.length > 0 ? names : undefined }).catch(whyNotPulled);
    case 'verify':
      return verify(where);
    default:
      throw new UsageError(usage);
  }
}

async function list(where: ModelsFolderOptions): Promise<number> {
  for (const { name, version, isOptional, isUnproven, state, dimension, weightFiles } of await listModels(where)) {
    process.stdout.write(`${name}  ${version}  ${state}${isOptional ? '  optional' : ''}${isUnproven ? '  unproven' : ''}  ${dimension} dimensions\n`);
    for (const { path, bytes, licence } of weightFiles) process.stdout.write(`  ${path}  ${bytes === undefined ? 'size unknown' : `${(bytes / 1e6).toFixed(1)} MB`}  ${licence}\n`);
  }
  return 0;
}

async function pull(from: PullOptions): Promise<number> {
  let shown = '';
  await pullModels({
    ...from,
    onProgress: ({ step, doneBytes, totalBytes }) => {
      const line = `${step}: ${Math.round(doneBytes / 1e6)} of ${Math.round(totalBytes / 1e6)} MB`;
      if (line !== shown) process.stderr.write(`${line}\n`);
      shown = line;
    },
  });
  process.stdout.write(from.models ? `${from.models.join(', ')}: there.\n` : 'All models of new collections are there.\n');
  return 0;
}

async function verify(where: ModelsFolderOptions): Promise<number> {
  const statuses = await modelStatus(where);
  for (const { name, state, isOptional } of statuses) process.stdout.write(`${name}  ${state}${isOptional ? '  optional' : ''}\n`);
  return statuses.every(({ state, isOptional }) => state === 'ready' || (isOptional && (state === 'missing' || state === 'unpinned'))) ? 0 : 1;
}

/** What each source said, and what to do, without a stack. */
function whyNotPulled(error: unknown): number {
  if (!(error instanceof PullFailed)) throw error;
  process.stderr.write(`${error.message}\n`);
  return 1;
}
