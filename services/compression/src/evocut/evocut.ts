/** Visual token selection by evolution through the encoder: EvoCut, section 3 and algorithm 1; docs/papers.md says what it leaves open. */

/** Hidden states of the encoder, one for each layer from `startLayer − 1` on: rows of `width` numbers, one for each token. */
export interface HiddenStates {
  readonly layers: readonly Float32Array[];
  readonly tokens: number;
  readonly width: number;
}

export interface EvocutParameters {
  /** M: groups of directions in each transition. */
  readonly groups: number;
  /** I: rounds of assignment and update. */
  readonly iterations: number;
  /** α: weight of the transitions before. */
  readonly momentum: number;
}

export const paperParameters: EvocutParameters = { groups: 8, iterations: 2, momentum: 0.95 };

/**
 * Tokens whose directions the groups of a transition begin with, M of them.
 *
 * @param directions tokens × width numbers, rows of length 1; a token that stands still has zeros.
 */
export type GroupStart = (directions: Float64Array, tokens: number, width: number, groups: number) => readonly number[];

/** What we add to the paper: nothing unless it is asked for. */
export interface EvocutExtensions {
  /** How groups begin: group-starts.ts. Evenly apart when absent. */
  readonly start?: GroupStart;
  /**
   * Mass guard: a token is compared only with groups that hold at least this share of the tokens, 0 to below 1, or with the
   * largest where none does. A group that a few tokens of their own kind made then excuses none of them.
   */
  readonly leastShare?: number;
}

/** A shorter step is none: a token that stands still has no direction, and deviates from nothing. */
export const shortestStep = 1e-12;

/**
 * How much each token leaves the directions that groups of tokens take, averaged over the transitions between layers.
 *
 * @param states at least two layers.
 * @returns a score for each token, 0 to 2; tokens with high scores are kept. 576 × 1024 × 13 transitions take most of a second.
 * @throws RangeError for fewer layers, for sizes that do not fit, or for parameters out of range.
 */
export function evolutionScores(
  { layers, tokens, width }: HiddenStates,
  parameters: EvocutParameters = paperParameters,
  { start = strideStart, leastShare = 0 }: EvocutExtensions = {},
): Float64Array {
  checkStates({ layers, tokens, width });
  const { groups, momentum } = checkParameters(parameters, tokens);
  if (!(leastShare >= 0 && leastShare < 1)) throw new RangeError(`leastShare: expected a number from 0 to below 1, got ${leastShare}`);
  const scores = new Float64Array(tokens);
  for (let layer = 1; layer < layers.length; layer++) {
    const { directions, isStill } = evolutionDirections(layers[layer - 1], layers[layer], tokens, width);
    const all = groupDirections(directions, tokens, width, parameters, start(directions, tokens, width, groups));
    const centers = leastShare === 0 ? all : largeGroups(directions, tokens, width, all, leastShare);
    for (let token = 0; token < tokens; token++) {
      const { cosine } = nearest(directions, token, centers, centers.length / width, width);
      const deviation = isStill[token] ? 0 : 1 - cosine; // eq. 4 and 5
      scores[token] = momentum * scores[token] + (1 - momentum) * deviation; // eq. 6
    }
  }
  return scores;
}

/** The `count` tokens with the highest scores in ascending order; of equal ones the first. All of them when there are no more. */
export function keptTokens(scores: Float64Array, count: number): Uint32Array {
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b);
  return order.slice(0, count).sort();
}

/** Eq. 2: the step of each token, with length 1. */
function evolutionDirections(before: Float32Array, after: Float32Array, tokens: number, width: number): { directions: Float64Array; isStill: Uint8Array } {
  const directions = new Float64Array(tokens * width);
  const isStill = new Uint8Array(tokens);
  for (let token = 0, at = 0; token < tokens; token++, at += width) {
    let squares = 0;
    for (let i = at; i < at + width; i++) squares += (directions[i] = after[i] - before[i]) ** 2;
    const length = Math.sqrt(squares);
    isStill[token] = length < shortestStep ? 1 : 0;
    for (let i = at; i < at + width; i++) directions[i] /= Math.max(length, shortestStep);
  }
  return { directions, isStill };
}

/**
 * Eq. 3: k-means over directions. It begins at tokens a stride apart, so that it is the same each time and begins where most
 * tokens are; beginning at the tokens furthest apart would make centers of the very tokens that should stand out.
 *
 * @returns M directions of length 1.
 */
function groupDirections(directions: Float64Array, tokens: number, width: number, { groups, iterations }: EvocutParameters, start: readonly number[]): Float64Array {
  const centers = new Float64Array(groups * width);
  start.forEach((token, group) => centers.set(directions.subarray(token * width, (token + 1) * width), group * width));
  for (let round = 0; round < iterations; round++) {
    const sums = new Float64Array(groups * width);
    for (let token = 0; token < tokens; token++) {
      const { group } = nearest(directions, token, centers, groups, width);
      for (let i = 0; i < width; i++) sums[group * width + i] += directions[token * width + i];
    }
    for (let group = 0; group < groups; group++) {
      const sum = sums.subarray(group * width, (group + 1) * width);
      const length = Math.sqrt(sum.reduce((squares, value) => squares + value * value, 0));
      if (length >= shortestStep) centers.set(sum.map((value) => value / length), group * width); // an empty group stays where it was
    }
  }
  return centers;
}

/** The directions of groups that hold `share` of the tokens, or of the largest. */
function largeGroups(directions: Float64Array, tokens: number, width: number, centers: Float64Array, share: number): Float64Array {
  const members = new Uint32Array(centers.length / width);
  for (let token = 0; token < tokens; token++) members[nearest(directions, token, centers, members.length, width).group] += 1;
  const least = Math.min(share * tokens, Math.max(...members));
  return centers.filter((_, at) => members[Math.floor(at / width)] >= least);
}

const strideStart: GroupStart = (_, tokens, __, groups) => strideTokens(tokens, groups);

/** Tokens in raster order from the first to the last, evenly apart. */
export function strideTokens(tokens: number, groups: number): number[] {
  return Array.from({ length: groups }, (_, group) => (groups === 1 ? 0 : Math.floor((group * (tokens - 1)) / (groups - 1))));
}

/** The group whose direction is closest; of equally close ones the first. */
function nearest(directions: Float64Array, token: number, centers: Float64Array, groups: number, width: number): { group: number; cosine: number } {
  let [group, cosine] = [0, -Infinity];
  for (let candidate = 0; candidate < groups; candidate++) {
    let dot = 0;
    for (let i = 0; i < width; i++) dot += directions[token * width + i] * centers[candidate * width + i];
    if (dot > cosine) [group, cosine] = [candidate, dot];
  }
  return { group, cosine };
}

function checkStates({ layers, tokens, width }: HiddenStates): void {
  if (layers.length < 2) throw new RangeError(`layers: expected the hidden states of at least 2 layers, got ${layers.length}`);
  const odd = layers.findIndex((layer) => layer.length !== tokens * width);
  if (odd >= 0) throw new RangeError(`layers[${odd}]: expected ${tokens} × ${width} numbers, got ${layers[odd].length}`);
}

function checkParameters(parameters: EvocutParameters, tokens: number): EvocutParameters {
  const { groups, iterations, momentum } = parameters;
  if (!Number.isInteger(groups) || groups < 1 || groups > tokens) throw new RangeError(`groups: expected an integer from 1 to ${tokens}, got ${groups}`);
  if (!Number.isInteger(iterations) || iterations < 0) throw new RangeError(`iterations: expected an integer of at least 0, got ${iterations}`);
  if (!(momentum >= 0 && momentum < 1)) throw new RangeError(`momentum: expected a number from 0 to below 1, got ${momentum}`);
  return parameters;
}
