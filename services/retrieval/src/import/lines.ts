/** A line of a file, or the fact that it is none that we take. */
export interface Line {
  /** Counted from 1. */
  readonly number: number;
  /** Where the next line begins, in bytes from the start of the file. */
  readonly end: number;
  /** Absent when the line is longer than `maximumBytes` or not UTF-8. */
  readonly text?: string;
  readonly refusal?: string;
}

export interface LinesOptions {
  /** Longest line that is taken. */
  readonly maximumBytes: number;
  /** The line after which to go on: its number and its end. */
  readonly after?: { readonly number: number; readonly end: number };
}

const newline = 0x0a;
const carriageReturn = 0x0d;

/**
 * Cuts a file that comes in pieces into lines (JSON Lines: `\n`, also `\r\n`; the last one needs no end). Memory stays
 * below one line and one piece, however long a line is. Empty lines are passed over but counted.
 */
export async function* lines(pieces: AsyncIterable<Uint8Array>, { maximumBytes, after = { number: 0, end: 0 } }: LinesOptions): AsyncIterable<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let { number } = after;
  let position = 0; // of the next piece
  let kept: Uint8Array[] = [];
  let keptBytes = 0;

  const finish = (end: number): Line | undefined => {
    number += 1;
    const isTooLong = keptBytes > maximumBytes;
    const bytes = isTooLong ? new Uint8Array() : join(kept);
    kept = [];
    keptBytes = 0;
    if (isTooLong) return { number, end, refusal: `is longer than ${maximumBytes} bytes` };
    const content = bytes.at(-1) === carriageReturn ? bytes.subarray(0, -1) : bytes;
    if (content.length === 0) return undefined;
    try {
      return { number, end, text: decoder.decode(content) };
    } catch {
      return { number, end, refusal: 'is not UTF-8' };
    }
  };

  for await (const piece of pieces) {
    let start = Math.max(0, after.end - position);
    while (start < piece.length) {
      const found = piece.indexOf(newline, start);
      const end = found === -1 ? piece.length : found;
      keptBytes += end - start;
      if (keptBytes <= maximumBytes) kept.push(piece.subarray(start, end));
      start = end + 1;
      if (found === -1) break;
      const line = finish(position + start);
      if (line) yield line;
    }
    position += piece.length;
  }
  if (keptBytes > 0) {
    const line = finish(position);
    if (line) yield line;
  }
}

function join(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let position = 0;
  for (const piece of pieces) {
    bytes.set(piece, position);
    position += piece.length;
  }
  return bytes;
}
