import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { Log } from './log.ts';
import { Model } from './model.ts';

export type ModelState = 'READY' | 'LOADING' | 'UNLOADING' | 'UNAVAILABLE';

interface Entry {
  state: ModelState;
  reason: string;
  model?: Model;
  /** Times and sizes of the files at the last attempt to load. */
  fingerprint: string;
  /** Somebody asked for it; it stays so until somebody asks for the opposite. */
  isUnloaded: boolean;
}

/** The repository has no folder of that name. */
export class UnknownModel extends Error {
  constructor(name: string) {
    super(`unknown model ${name}: the repository has no such folder with a config.pbtxt`);
  }
}

/** Each model has one version. */
export class UnknownVersion extends Error {
  constructor(name: string, version: string) {
    super(`model ${name} has no version ${version}; it has ${onlyVersion}`);
  }
}

/** The model is known and cannot be used now. */
export class ModelUnavailable extends Error {}

/** Somebody asked for a model that does not load. */
export class LoadFailed extends Error {}

/** The folder of a model's files; a client names it, or none. */
export const onlyVersion = '1';

/**
 * A folder in Triton's layout. Models load when their files appear or change; one that is missing or corrupt says so
 * in the index and leaves the others alone.
 */
export class ModelRepository {
  private readonly entries = new Map<string, Entry>();
  private work: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly folder: string,
    private readonly threads: number,
    private readonly log: Log,
  ) {}

  /** Loads what is new or changed. Calls queue up behind each other and behind `load` and `unload`. */
  scan(): Promise<void> {
    return this.inTurn(async () => {
      const names = await this.names();
      for (const name of [...this.entries.keys()].filter((name) => !names.includes(name))) await this.forget(name);
      for (const name of names) {
        const fingerprint = await this.fingerprint(name);
        const entry = this.entries.get(name);
        const isSame = entry?.fingerprint === fingerprint && (entry.model?.isAlive ?? true);
        if (!isSame && !entry?.isUnloaded) await this.attempt(name).catch(() => {});
      }
    });
  }

  /** @throws UnknownModel, or LoadFailed with the reason. */
  load(name: string): Promise<void> {
    return this.inTurn(async () => {
      if (!(await this.names()).includes(name)) throw new UnknownModel(name);
      await this.attempt(name);
    });
  }

  /** Requests that came before are answered. A model that is unknown is as unloaded as can be. */
  unload(name: string): Promise<void> {
    return this.inTurn(async () => {
      const entry = this.entries.get(name);
      if (entry === undefined) return;
      const { model } = entry;
      Object.assign(entry, { state: 'UNLOADING', reason: '', model: undefined, isUnloaded: true });
      await model?.close();
      Object.assign(entry, { state: 'UNAVAILABLE', reason: 'unloaded' });
      this.log('info', 'model unloaded', { model: name });
    });
  }

  /**
   * @param version empty for whichever there is.
   * @throws UnknownModel, UnknownVersion, ModelUnavailable.
   */
  ready(name: string, version: string): Model {
    const entry = this.entries.get(name);
    if (entry === undefined) throw new UnknownModel(name);
    if (version !== '' && version !== onlyVersion) throw new UnknownVersion(name, version);
    if (entry.model === undefined) throw new ModelUnavailable(`${name} is not ready: ${entry.reason || entry.state.toLowerCase()}`);
    return entry.model;
  }

  index(): { name: string; state: ModelState; reason: string }[] {
    return [...this.entries].map(([name, { state, reason }]) => ({ name, state, reason }));
  }

  async close(): Promise<void> {
    await this.inTurn(async () => {
      for (const { model } of this.entries.values()) await model?.close();
      this.entries.clear();
    });
  }

  /** Loads the new before it lets go of the old, so that a reload interrupts nobody. */
  private async attempt(name: string): Promise<void> {
    const entry = this.entries.get(name) ?? { state: 'LOADING', reason: '', fingerprint: '', isUnloaded: false };
    this.entries.set(name, entry);
    entry.fingerprint = await this.fingerprint(name);
    entry.isUnloaded = false;
    if (entry.model === undefined) Object.assign(entry, { state: 'LOADING', reason: '' });
    const started = performance.now();
    try {
      if (!entry.fingerprint.includes('model.onnx')) throw new Error('1/model.onnx is missing; run: touchstone models pull');
      const previous = entry.model;
      entry.model = await Model.load(this.folder, name, this.threads);
      Object.assign(entry, { state: 'READY', reason: '' });
      this.log('info', 'model loaded', { model: name, durationMs: Math.round(performance.now() - started) });
      await previous?.close();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      if (entry.model?.isAlive) entry.reason = `the last reload failed: ${reason}`;
      else Object.assign(entry, { state: 'UNAVAILABLE', reason, model: undefined });
      this.log('error', 'model does not load', { model: name, reason });
      throw new LoadFailed(`${name} does not load: ${reason}`, { cause });
    }
  }

  private async forget(name: string): Promise<void> {
    const entry = this.entries.get(name);
    this.entries.delete(name);
    await entry?.model?.close();
  }

  /** Folders with a config.pbtxt; a repository that is absent has none. */
  private async names(): Promise<string[]> {
    const folders = await readdir(this.folder, { withFileTypes: true }).catch(() => []);
    const names = folders.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name);
    const known = await Promise.all(names.map((name) => stat(join(this.folder, name, 'config.pbtxt')).catch(() => undefined)));
    return names.filter((_, index) => known[index] !== undefined).sort();
  }

  private async fingerprint(name: string): Promise<string> {
    const files = ['config.pbtxt', '1/model.onnx'];
    const stats = await Promise.all(files.map((file) => stat(join(this.folder, name, file)).catch(() => undefined)));
    return files.flatMap((file, index) => (stats[index] ? `${file}:${stats[index].mtimeMs}:${stats[index].size}` : [])).join(' ');
  }

  private inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.work.then(step);
    this.work = result.catch(() => {});
    return result;
  }
}
