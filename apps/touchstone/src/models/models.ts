import { parseArgs } from 'node:util';
import { readConfiguration } from '../configuration.ts';
import { UsageError } from '../usage-error.ts';
import { listModels, modelStatus, pullModels } from './index.ts';

const usage = `expected one of
  models list               models with their files, licences and state
  models pull [--files DIR] bring what is missing; --files: a folder with the files, for machines without a network
  models verify             compare every byte with the manifest`;

/** `models list|pull|verify`. */
export async function models([action, ...words]: readonly string[]): Promise<number> {
  const modelsFolder = readConfiguration().modelsDir;
  switch (action) {
    case 'list':
      return list(modelsFolder);
    case 'pull':
      return pull(modelsFolder, words);
    case 'verify':
      return verify(modelsFolder);
    default:
      throw new UsageError(usage);
  }
}

async function list(modelsFolder: string): Promise<number> {
  for (const { name, state, dimension, weightFiles } of await listModels({ modelsFolder })) {
    process.stdout.write(`${name}  ${state}  ${dimension} dimensions\n`);
    for (const { path, bytes, licence } of weightFiles) process.stdout.write(`  ${path}  ${(bytes / 1e6).toFixed(1)} MB  ${licence}\n`);
  }
  return 0;
}

async function pull(modelsFolder: string, words: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...words], options: { files: { type: 'string' } } });
  let shown = '';
  await pullModels({
    modelsFolder,
    filesFolder: values.files,
    onProgress: ({ step, doneBytes, totalBytes }) => {
      const line = `${step}: ${Math.round(doneBytes / 1e6)} of ${Math.round(totalBytes / 1e6)} MB`;
      if (line !== shown) process.stderr.write(`${line}\n`);
      shown = line;
    },
  });
  process.stdout.write('All models are there.\n');
  return 0;
}

async function verify(modelsFolder: string): Promise<number> {
  const statuses = await modelStatus({ modelsFolder });
  for (const status of statuses) process.stdout.write(`${status.name}  ${status.state}\n`);
  return statuses.every(({ state }) => state === 'ready') ? 0 : 1;
}
