import type { Column } from './column.ts';
import type { Entry, Generation } from './generation.ts';
import { firstKind, type KindSet } from './kind-set.ts';
import { type AttributeValue, type GroupBy, kinds } from './vector-index.ts';

/** How rows are put into groups, by the entries and columns of one generation. */
export interface Grouping {
  /** Equal for rows of one group, in every generation, and for no others. */
  key(entry: Entry, part: number, rowKinds: KindSet): unknown;
  /** What the group shares, for the one who asked. */
  shown(entry: Entry): AttributeValue | undefined;
  /** @returns whether the item's group is one of `keys`. Only where a group may have many rows. */
  among?(keys: ReadonlySet<unknown>): (ordinal: number) => boolean;
}

export function groupingOf(groupBy: GroupBy, { entries, postings }: Generation): Grouping {
  if (groupBy === 'part') return { key: ({ id }, part, rowKinds) => `${kinds[firstKind(rowKinds)]} ${part} ${id}`, shown: () => undefined };
  if (groupBy === 'note') return byEntry(entries, ({ id }) => id);
  if (groupBy === 'duplicateCluster') return byEntry(entries, ({ id, keeper }) => keeper ?? id);
  return byValue(postings.column(groupBy.field));
}

function byEntry(entries: readonly Entry[], key: (entry: Entry) => string): Grouping {
  return { key, shown: key, among: (keys) => (ordinal) => keys.has(key(entries[ordinal])) };
}

/** An entry is no value, so an item that is its own group is in no value's. */
function byValue(column: Column): Grouping {
  const shown = ({ ordinal }: Entry) => column.value(ordinal);
  return {
    key: (entry) => shown(entry) ?? entry,
    shown,
    among(keys) {
      const flags = column.values.map((value) => value !== undefined && keys.has(value));
      return (ordinal) => flags[column.code(ordinal)];
    },
  };
}
