import { Problem, Reason } from '@touchstone/contracts';

export const noSuchSpace = (name: string, spaces: readonly string[]) =>
  new Problem({
    reason: Reason.SPACE_NOT_FOUND,
    detail: `The collection has no space ${name} of one of the platform's models.`,
    violations: [{ pointer: '/space', detail: `expected one of ${spaces.join(', ')}` }],
  });

/** There is no such model, or the collection does not keep the version. */
export const noSuchVersion = (asked: string, known: readonly string[]) =>
  new Problem({
    reason: Reason.MODEL_NOT_FOUND,
    detail: `There is no version ${asked} here.`,
    violations: [{ pointer: '/modelVersion', detail: `expected one of ${known.join(', ')}` }],
  });

export const versionNotReady = (version: string, reason: string) =>
  new Problem({ reason: Reason.MODEL_NOT_READY, detail: `${version} cannot embed now: ${reason}`, violations: [{ pointer: '/modelVersion', detail: reason }], retryAfterSeconds: 5 });

const conflict = (version: string, detail: string) =>
  new Problem({ reason: Reason.MODEL_VERSION_CONFLICT, detail: `${version} ${detail}.`, violations: [{ pointer: '/modelVersion', detail }] });

export const versionIsKept = (version: string, state: string) => conflict(version, `is ${state} already`);

export const versionIsBuilding = (version: string, operationId: string) => conflict(version, `is being built by ${operationId}`);

export const versionIsActive = (version: string) => conflict(version, 'is active; switch to another version before it is dropped');

export const tooManyVersions = (version: string, kept: readonly string[]) => conflict(version, `would be one version too many; drop one of ${kept.join(', ')}`);

/** Ends the operation that built it. */
export const versionWasDropped = (version: string) => conflict(version, 'was dropped, or is built by another operation');
