/**
 * Positions of Qwen3-VL's interleaved M-RoPE (arXiv:2511.21631), as Hugging Face's `Qwen3VLModel.get_rope_index`: a text token has
 * the next number three times, the tokens of a picture have the number that it began with, their row and their column.
 *
 * @param ids of one sequence.
 * @param imageToken the id that stands for one token of a picture.
 * @param grids rows and columns of tokens of each picture, in the order of the sequence; as many tokens as `imageToken` occurs.
 * @returns [3, ids] row by row: time, height, width.
 */
export function ropePositions(ids: readonly number[], imageToken: number, grids: readonly { readonly rows: number; readonly columns: number }[]): BigInt64Array {
  const count = ids.length;
  const positions = new BigInt64Array(3 * count);
  let next = 0;
  let picture = 0;
  for (let at = 0; at < count; ) {
    if (ids[at] !== imageToken) {
      for (let axis = 0; axis < 3; axis++) positions[axis * count + at] = BigInt(next);
      next++;
      at++;
      continue;
    }
    const { rows, columns } = grids[picture++];
    for (let token = 0; token < rows * columns; token++, at++) {
      positions[at] = BigInt(next);
      positions[count + at] = BigInt(next + Math.floor(token / columns));
      positions[2 * count + at] = BigInt(next + (token % columns));
    }
    next += Math.max(rows, columns);
  }
  return positions;
}
