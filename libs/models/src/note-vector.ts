/**
 * The vector of a note by models that take a text or a picture and never both: half its text, half its pictures.
 *
 * UniNote (arXiv:2605.29287) embeds the note as one sequence; this mean of unit vectors stands for that where no model can.
 *
 * @param text of length 1; undefined where the note has none.
 * @param pictures each of length 1; they count alike, and all together as much as the text.
 * @returns a vector of length 1: (t + p) / ‖t + p‖, p the mean of the pictures, made of length 1. Where pictures cancel each
 *   other out, the text; where nothing is left, zeros.
 * @throws RangeError for nothing at all.
 */
export function noteVector(text: Float32Array | undefined, pictures: readonly Float32Array[]): Float32Array {
  const halves = [...(text ? [text] : []), ...(pictures.length > 0 ? [unitSum(pictures)] : [])];
  if (halves.length === 0) throw new RangeError('a note needs a text or a picture');
  return halves.length === 1 ? halves[0] : unitSum(halves);
}

function unitSum(vectors: readonly Float32Array[]): Float32Array {
  if (vectors.length === 1) return vectors[0];
  const sum = new Float64Array(vectors[0].length);
  for (const vector of vectors) for (let at = 0; at < sum.length; at++) sum[at] += vector[at];
  const length = Math.hypot(...sum);
  return Float32Array.from(sum, (value) => (length === 0 ? 0 : value / length));
}
