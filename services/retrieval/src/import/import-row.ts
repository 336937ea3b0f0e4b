import type { JsonValue } from '@bufbuild/protobuf';

/** A row of a file, or the fact that it is none that we take. */
export interface ImportRow {
  /** Counted from 1; of JSON Lines the line. */
  readonly number: number;
  /** How far the file is done with it, in bytes. */
  readonly end: number;
  /** An item as JSON has it; absent when the row is refused. */
  readonly json?: JsonValue;
  /** JSON pointer into the row, and why it is refused. */
  readonly refusal?: { readonly pointer: string; readonly detail: string };
}
