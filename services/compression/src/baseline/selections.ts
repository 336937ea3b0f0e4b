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
 * Tokens at the middles of the cells of a coarser grid, which has the picture's shape and at most `count` cells.
 *
 * @returns tokens in raster order, ascending.
 * @throws RangeError for a count below 1.
 */
export function gridTokens(rows: number, columns: number, count: number): Uint32Array {
  if (!(count >= 1)) throw new RangeError(`count: expected at least 1, got ${count}`);
  const scale = Math.min(1, Math.sqrt(count / (rows * columns)));
  const coarseRows = Math.max(1, Math.min(rows, count, Math.floor(rows * scale + 1e-9)));
  const coarseColumns = Math.max(1, Math.min(columns, Math.floor(count / coarseRows)));
  const middle = (cell: number, cells: number, size: number) => Math.floor(((cell + 0.5) * size) / cells);
  return Uint32Array.from({ length: coarseRows * coarseColumns }, (_, cell) => {
    const row = middle(Math.floor(cell / coarseColumns), coarseRows, rows);
    return row * columns + middle(cell % coarseColumns, coarseColumns, columns);
  });
}
