import type { Kind } from '../index/vector-index.ts';
import type { Space } from '../collection/spaces.ts';
import { dimensionsBeyond, noJointSpace, ocrNeedsDimensions, spaceNeeded, spaceNotFound, taskRefused } from './search.errors.ts';
import { kindOf, type SearchQuery, sourcesOf } from './search-query.ts';
import { leastDimensions, type TaskName, tasks } from './tasks.ts';

/** What of a request decides which spaces are searched. */
export interface Wanted {
  readonly query: SearchQuery;
  readonly task?: TaskName;
  readonly space?: string;
  readonly dimensions?: number;
}

/**
 * The spaces in which a query may be searched: those that hold both kinds of its task, all when it has none, narrowed to the
 * one that it names.
 *
 * @throws Problem space-not-found, no-joint-space, dimensions-refused; invalid-request for a task of another kind of query
 *   and for a vector that could be of several spaces.
 */
export function searchedSpaces(spaces: readonly Space[], wanted: Wanted): readonly Space[] {
  const { query, task, space: name, dimensions } = wanted;
  const names = spaces.map((space) => space.name);
  if (name !== undefined && !names.includes(name)) throw spaceNotFound(name, names);
  refuseOtherKinds(query, task);

  const named = spaces.filter((space) => name === undefined || space.name === name);
  const fitting = named.filter(({ kinds }) => !task || (kinds.includes(tasks[task].query) && kinds.includes(tasks[task].candidate)));
  if (task && fitting.length === 0) throw noJointSpace(query.pointer, `a space that holds the kinds ${kindsOf(task)}`, named);
  if (fitting.length > 1 && sourcesOf(query).some(({ kind }) => kind === 'vector')) throw spaceNeeded(fitting.map((space) => space.name));
  if (dimensions !== undefined) for (const space of fitting) refuseDimensions(space, dimensions, isAboutOcr(wanted));
  return fitting;
}

function refuseOtherKinds(query: SearchQuery, task: TaskName | undefined): void {
  if (!task) return;
  for (const source of sourcesOf(query)) {
    const kind = kindOf(source);
    if (kind !== undefined && kind !== tasks[task].query) throw taskRefused(task, tasks[task].query, kind, source.pointer);
  }
}

function refuseDimensions({ name, dimension }: Space, dimensions: number, isOcr: boolean): void {
  if (dimensions > dimension) throw dimensionsBeyond(name, dimension, dimensions);
  const least = leastDimensions(dimension, isOcr);
  if (dimensions < least) throw ocrNeedsDimensions(name, least, dimensions);
}

function isAboutOcr({ query, task }: Wanted): boolean {
  if (task) return tasks[task].query === 'ocr' || tasks[task].candidate === 'ocr';
  return sourcesOf(query).some(({ kind }) => kind === 'ocr');
}

function kindsOf(task: TaskName): string {
  const { query, candidate } = tasks[task];
  return query === candidate ? query : `${query} and ${candidate}`;
}

/** The kinds of parts that hits may be; undefined for all. */
export function candidateKinds(task: TaskName | undefined): readonly Kind[] | undefined {
  return task && [tasks[task].candidate];
}
