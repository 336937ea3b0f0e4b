import type { Space } from './spaces.ts';

/**
 * The versions of a space's model that a collection keeps. One is active: it is searched. Every write is embedded in all of
 * them, so a version that was complete once stays so.
 */

/** A version beside the active one. */
export interface OtherVersion {
  readonly modelVersion: string;
  readonly dimension: number;
  /** `standby`: it has all that the active one has. */
  readonly state: 'building' | 'standby';
  /** Of the operation that builds it, or built it; absent for the version with which the collection began. */
  readonly operationId?: string;
}

/** Kept in one space at most, the active one included: each costs a model call for every write, and memory. */
export const maximumVersions = 3;

/** Name of one version of a space within the index of its collection. */
export const indexKey = ({ name, modelVersion }: Pick<Space, 'name' | 'modelVersion'>): string => `${name}@${modelVersion}`;

/** Each kept version as if it were the only one, the active one first. */
export function keptVersions({ others = [], ...active }: Space): Space[] {
  return [active, ...others.map(({ modelVersion, dimension }) => ({ ...active, modelVersion, dimension }))];
}

/** The spaces, with the named version searched in that of them that keeps it; undefined when none does, or it is being built. */
export function inVersion(spaces: readonly Space[], modelVersion: string): Space[] | undefined {
  const at = spaces.findIndex((space) => isComplete(space, modelVersion));
  return at < 0 ? undefined : spaces.map((space, index) => (index === at ? activated(space, modelVersion) : space));
}

export const otherVersion = (space: Space, modelVersion: string): OtherVersion | undefined => space.others?.find((other) => other.modelVersion === modelVersion);

/** The space with this version beside the active one, in place of what was known of it. */
export function withOther(space: Space, other: OtherVersion): Space {
  return { ...space, others: [...withoutOther(space, other.modelVersion).others!, other] };
}

export function withoutOther(space: Space, modelVersion: string): Space {
  return { ...space, others: (space.others ?? []).filter((other) => other.modelVersion !== modelVersion) };
}

/**
 * The space with a standby as the active version, and the active one as a standby.
 *
 * @throws RangeError when it is no standby.
 */
export function activated(space: Space, modelVersion: string): Space {
  if (space.modelVersion === modelVersion) return space;
  const next = otherVersion(space, modelVersion);
  if (next?.state !== 'standby') throw new RangeError(`${modelVersion} is no standby of the space ${space.name}`);
  const before: OtherVersion = { modelVersion: space.modelVersion, dimension: space.dimension, state: 'standby' };
  return withOther({ ...withoutOther(space, modelVersion), modelVersion, dimension: next.dimension }, before);
}

/** Versions that can be searched, the active one first. */
export const completeVersions = (space: Space): string[] => keptVersions(space).map(({ modelVersion }) => modelVersion).filter((version) => isComplete(space, version));

const isComplete = (space: Space, modelVersion: string): boolean => space.modelVersion === modelVersion || otherVersion(space, modelVersion)?.state === 'standby';
