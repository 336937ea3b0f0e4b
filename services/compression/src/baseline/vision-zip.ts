/** VisionZip, arXiv:2412.04467: tokens that the class token attends to, and a few that stand for groups of the others. */
import { keptTokens } from '../evocut/evocut.ts';

/** The paper's 64 tokens: 54 dominant ones and 10 contextual ones. Other budgets keep the proportion. */
const dominantShare = 54 / 64;

export interface VisionZipInput {
  readonly tokens: number;
  /** Of the last layer but one: the attention that the class token pays to each patch, summed over heads. */
  readonly classAttention: ArrayLike<number>;
  /** Hidden states of the patches after the last layer but one, `tokens` × `width`. */
  readonly rows: Float32Array;
  readonly width: number;
  /**
   * What patches are compared by, `tokens` × `keyWidth`: the mean over heads of the last but one layer's attention keys in
   * VisionZip's code; rows themselves are close to them where no keys are to be had.
   */
  readonly keys: Float32Array;
  readonly keyWidth: number;
}

export interface VisionZipSelection {
  /** The kept tokens, dominant and contextual, ascending. */
  readonly indices: Uint32Array;
  /** Their rows, K × width: of a contextual token with the mean of the tokens that it stands for added. */
  readonly rows: Float32Array;
}

/** How many of `count` tokens are dominant; the others are contextual. */
export const dominantCount = (count: number) => Math.max(1, Math.round(count * dominantShare));

/**
 * The `count` tokens that VisionZip keeps, as its released code does, but without the class token, which is no patch:
 * contextual tokens are a stride apart among those that are not dominant, and each other token is added to the contextual
 * one whose key is closest.
 *
 * @throws RangeError for a count below 1.
 */
export function visionZipTokens({ tokens, classAttention, rows, width, keys, keyWidth }: VisionZipInput, count: number): VisionZipSelection {
  if (!(count >= 1)) throw new RangeError(`count: expected at least 1, got ${count}`);
  const dominant = keptTokens(Float64Array.from(classAttention), count >= tokens ? tokens : dominantCount(count));
  const isDominant = new Set(dominant);
  const others = Array.from({ length: tokens }, (_, token) => token).filter((token) => !isDominant.has(token));
  const wanted = Math.min(others.length, count - dominant.length);
  const contextual = Array.from({ length: wanted }, (_, place) => others[place * Math.floor(others.length / wanted)]);

  const merged = new Map<number, number[]>(contextual.map((token) => [token, []]));
  if (wanted > 0) for (const token of others) if (!merged.has(token)) merged.get(closest(keys, keyWidth, token, contextual))!.push(token);

  const indices = Uint32Array.from([...dominant, ...contextual]).sort();
  const kept = new Float32Array(indices.length * width);
  indices.forEach((token, place) => {
    const row = kept.subarray(place * width, (place + 1) * width);
    row.set(rows.subarray(token * width, (token + 1) * width));
    const members = merged.get(token) ?? [];
    for (const member of members) for (let i = 0; i < width; i++) row[i] += rows[member * width + i] / members.length;
  });
  return { indices, rows: kept };
}

/** Of `candidates` the one whose key has the largest cosine with the token's; of equal ones the first. */
function closest(keys: Float32Array, width: number, token: number, candidates: readonly number[]): number {
  let [best, highest] = [candidates[0], -Infinity];
  for (const candidate of candidates) {
    let [dot, squares] = [0, 0];
    for (let i = 0; i < width; i++) {
      dot += keys[token * width + i] * keys[candidate * width + i];
      squares += keys[candidate * width + i] ** 2;
    }
    const cosine = dot / Math.max(Math.sqrt(squares), 1e-12); // the token's own length is the same for all
    if (cosine > highest) [best, highest] = [candidate, cosine];
  }
  return best;
}
