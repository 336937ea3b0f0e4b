import { parseArgs } from 'node:util';
import { readConfiguration } from '../configuration.ts';
import { UsageError } from '../usage-error.ts';
import { listModels, modelStatus, pullModels, type ModelsFolderOptions, type PullOptions } from './index.ts';

const usage = `expected one of
  models list               models with their files, licences and state
  models pull [--files DIR] bring what is missing; --files: a folder with the files, for machines without a network
  models verify             compare every byte with the manifest
  --overlay NAME            of model-repository/manifest.json, for another server than the laptop's (default: laptop)`;

/** `models list|pull|verify`. */
export async function models([action, ...words]: readonly string[]): Promise<number> {
  const options = { overlay: { type: 'string' }, files: { type: 'string' } } as const;
  const { overlay, files: filesFolder } = parseArgs({ args: [...words], options }).values;
  const where = { modelsFolder: readConfiguration().modelsDir, overlay };
  switch (action) {
    case 'list':
      return list(where);
    case 'pull':
      return pull({ ...where, filesFolder });
    case 'verify':
      return verify(where);
    default:
      throw new UsageError(usage);
  }
}

async function list(where: ModelsFolderOptions): Promise<number> {
  for (const { name, state, dimension, weightFiles } of await listModels(where)) {
    process.stdout.write(`${name}  ${state}  ${dimension} dimensions\n`);
    for (const { path, bytes, licence } of weightFiles) process.stdout.write(`  ${path}  ${(bytes / 1e6).toFixed(1)} MB  ${licence}\n`);
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
  process.stdout.write('All models are there.\n');
  return 0;
}

async function verify(where: ModelsFolderOptions): Promise<number> {
  const statuses = await modelStatus(where);
  for (const status of statuses) process.stdout.write(`${status.name}  ${status.state}\n`);
  return statuses.every(({ state }) => state === 'ready') ? 0 : 1;
}
