import type { Space } from '../collection/spaces.ts';
import { indexKey, keptVersions } from '../collection/versions.ts';
import type { PreparedItem, PreparedWrite } from './item-preparation.service.ts';

/** The collection keeps a version that a write was not embedded in: it began between the write's two halves. */
export class VersionsChanged extends Error {
  override readonly name = 'VersionsChanged';
}

/**
 * The items of a write, in the versions that the collection keeps now: without those that were dropped since.
 *
 * @throws VersionsChanged when a version came since. So every write after a version began has a vector in it.
 */
export function inKeptVersions({ changed, versions }: PreparedWrite, spaces: readonly Space[]): PreparedItem[] {
  const kept = new Set(spaces.flatMap(keptVersions).map(indexKey));
  if ([...kept].some((key) => !versions.includes(key))) throw new VersionsChanged();
  const isKept = ({ space, modelVersion }: PreparedItem['parts'][number]) => kept.has(indexKey({ name: space, modelVersion }));
  return changed.map((item) => ({ ...item, parts: item.parts.filter(isKept) }));
}

/** Prepares a write again, and stores it, for as long as versions come in between: each is one call of a person. */
export async function untilVersionsStay<T>(write: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof VersionsChanged)) throw error;
    }
  }
}
