import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { z } from 'zod';

/** What the operator sets or provides is absent or wrong: the message says what, and what is expected; no stack is of help. */
export class ConfigurationError extends Error {}

/** Where a setting comes from. */
export type SettingSource = 'environment' | 'file' | 'default';

/** Settings as they were given, and from where. */
export interface GivenSettings {
  readonly values: Readonly<Record<string, string>>;
  readonly sources: Readonly<Record<string, SettingSource>>;
}

/**
 * Gathers settings from environment variables and from a file of lines `NAME=value`; the environment wins. A variable
 * that is set to the empty string counts as absent.
 *
 * @param names the settings that exist.
 * @throws ConfigurationError when the file cannot be read, or names a setting that does not exist.
 */
export function gatherSettings(names: readonly string[], environment: NodeJS.ProcessEnv, file?: string): GivenSettings {
  const fromFile = file === undefined ? {} : readSettingsFile(file);
  const unknown = Object.keys(fromFile).find((name) => !names.includes(name));
  if (unknown) throw new ConfigurationError(`${file}: there is no setting ${unknown}${nearest(unknown, names)}`);
  const values: Record<string, string> = {};
  const sources: Record<string, SettingSource> = {};
  for (const name of names) {
    const value = environment[name] || fromFile[name] || undefined;
    sources[name] = environment[name] ? 'environment' : value ? 'file' : 'default';
    if (value) values[name] = value;
  }
  return { values, sources };
}

/**
 * Checks settings against their types.
 *
 * @param shape one Zod type per setting.
 * @throws ConfigurationError that lists every wrong setting at once.
 */
export function checkSettings<Shape extends z.ZodRawShape>(shape: Shape, { values }: GivenSettings): z.output<z.ZodObject<Shape>> {
  const result = z.object(shape).safeParse(values);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new ConfigurationError(`The configuration is wrong:\n  ${lines.join('\n  ')}`);
}

function readSettingsFile(file: string): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new ConfigurationError(`TOUCHSTONE_CONFIG: ${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** A hint when a name is one or two letters off. */
export function nearest(name: string, names: readonly string[]): string {
  const found = names.find((known) => distance(name, known) <= 2);
  return found ? `; did you mean ${found}?` : '';
}

/** Levenshtein distance: insertions, deletions and substitutions from one word to the other. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [position, letter] of [...from].entries()) {
    const next = [position + 1];
    for (let index = 0; index < to.length; index++) {
      next.push(Math.min(row[index] + (letter === to[index] ? 0 : 1), row[index + 1] + 1, next[index] + 1));
    }
    row = next;
  }
  return row[to.length];
}
