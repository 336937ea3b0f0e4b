/** Selections that look at nothing: what any method has to beat (UniPruneBench, arXiv:2511.02650). */

/**
 * Tokens drawn without replacement.
 *
 * @param random in [0, 1); its seed decides the tokens.
 * @returns `count` tokens, ascending; all of them when there are no more.
 */
export function randomTokens(tokens: number, count: number, random: () => number): Uint32Array {
  const order = Uint32Array.from({ length: tokens }, (_, token) => token);
  const drawn = Math.min(count, tokens);
  for (let place = 0; place < drawn; place++) {
    const other = place + Math.floor(random() * (tokens - place));
    [order[place], order[other]] = [order[other], order[place]];
  }
  return order.slice(0, drawn).sort();
}

/**
 * The coarser grid that has the picture's shape and at most `count` cells. A picture made that small, in patches, is the
 * baseline `downsample`: the encoder sees fewer patches, and all of its tokens are kept.
 *
 * @throws RangeError for a count below 1.
 */
export function coarserGrid(rows: number, columns: number, count: number): { rows: number; columns: number } {
  if (!(count >= 1)) throw new RangeError(`count: expected at least 1, got ${count}`);
  const scale = Math.min(1, Math.sqrt(count / (rows * columns)));
  const coarseRows = Math.max(1, Math.min(rows, Math.floor(count), Math.floor(rows * scale + 1e-9)));
  return { rows: coarseRows, columns: Math.max(1, Math.min(columns, Math.floor(count / coarseRows))) };
}

/**
 * Tokens at the middles of the cells of the coarser grid.
 *
 * @returns tokens in raster order, ascending; for 28 of 16 × 16 they are 5 × 5.
 * @throws RangeError for a count below 1.
 */
export function gridTokens(rows: number, columns: number, count: number): Uint32Array {
  const { rows: coarseRows, columns: coarseColumns } = coarserGrid(rows, columns, count);
  const middle = (cell: number, cells: number, size: number) => Math.floor(((cell + 0.5) * size) / cells);
  return Uint32Array.from({ length: coarseRows * coarseColumns }, (_, cell) => {
    const row = middle(Math.floor(cell / coarseColumns), coarseRows, rows);
    return row * columns + middle(cell % coarseColumns, coarseColumns, columns);
  });
}
