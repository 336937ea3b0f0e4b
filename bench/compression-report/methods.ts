/** The methods of the report, each as what it leaves of a picture's tokens. */
import { seededRandom } from '@touchstone/runtime/random';
import { approximationScores, variationScores } from '../../services/compression/src/baseline/scores.ts';
import { gridTokens, randomTokens } from '../../services/compression/src/baseline/selections.ts';
import { visionZipTokens } from '../../services/compression/src/baseline/vision-zip.ts';
import { type EvocutExtensions, type EvocutParameters, evolutionScores, type GroupStart, type HiddenStates, keptTokens, paperParameters } from '../../services/compression/src/evocut/evocut.ts';
import { averagedScores, plusPlusStart, randomStart } from '../../services/compression/src/evocut/group-starts.ts';
import { type Encoded, type Encoder, type Picture, side, tokens, width } from './encoder.ts';
import { coverage, downsampled } from './pictures.ts';

export interface Kept {
  /** Tokens of the full grid; absent where the picture itself was made smaller. */
  readonly indices?: Uint32Array;
  /** Of the ninth layer: the last three forgot what a picture shows (model-repository/CONTRACT.md). */
  readonly rows: Float32Array;
  /** The rows are other than those of the full picture. */
  readonly isMerged?: true;
  /** The share of each kept token's place in the picture that a mask covers. */
  covered(mask: Uint8Array): Float64Array;
}

export interface Method {
  readonly name: string;
  /** Of methods that give each token a score. */
  scores?(encoded: Encoded): ArrayLike<number>;
  keep(encoded: Encoded, count: number, picture: Picture, scores: ArrayLike<number> | undefined, seed: number): Kept | Promise<Kept>;
}

/** The tokens at `indices` as they are. */
export function keptOf(encoded: Encoded, indices: Uint32Array): Kept {
  const rows = new Float32Array(indices.length * width);
  indices.forEach((token, place) => rows.set(encoded.ninth.subarray(token * width, (token + 1) * width), place * width));
  return { indices, rows, covered: (mask) => placesOf(mask, indices) };
}

const placesOf = (mask: Uint8Array, indices: Uint32Array) => {
  const all = coverage(mask);
  return Float64Array.from(indices, (token) => all[token]);
};

const byScore = (name: string, scores: (encoded: Encoded) => ArrayLike<number>): Method => ({
  name,
  scores,
  keep: (encoded, count, _, known) => keptOf(encoded, keptTokens(Float64Array.from(known ?? scores(encoded)), count)),
});

const evocut = (name: string, parameters: EvocutParameters = paperParameters, extensions?: EvocutExtensions) => byScore(name, ({ states }) => evolutionScores(states, parameters, extensions));

const fiveSeeds = [1, 2, 3, 4, 5];

export const methods = (encoder: Encoder): Method[] => [
  evocut('EvoCut'),
  evocut('EvoCut + mass guard 10 %', paperParameters, { leastShare: 0.1 }),
  byScore('EvoCut + mean of 5 seeds', ({ states }) => averagedScores(states, fiveSeeds.map((seed) => plusPlusStart(seededRandom(seed))))),
  {
    name: 'VisionZip',
    scores: ({ classAttention }) => classAttention,
    keep: ({ classAttention, keys, keyWidth, ninth }, count) => {
      const { indices, rows } = visionZipTokens({ tokens, classAttention, rows: ninth, width, keys, keyWidth }, count);
      return { indices, rows, isMerged: true, covered: (mask) => placesOf(mask, indices) };
    },
  },
  byScore('ApET', ({ last }) => approximationScores(last, tokens, width)),
  byScore('l2 variation', ({ states }) => variationScores(states)),
  { name: 'random', keep: (encoded, count, _, __, seed) => keptOf(encoded, randomTokens(tokens, count, seededRandom(seed))) },
  { name: 'uniform grid', keep: (encoded, count) => keptOf(encoded, gridTokens(side, side, count)) },
  {
    name: 'downsampling',
    keep: async (_, count, picture) => {
      const small = await downsampled(picture, count);
      const { ninth } = await encoder.encode(small);
      return { rows: ninth, isMerged: true, covered: (mask) => coverage(mask, small.rows, small.columns) };
    },
  },
];

/** The forms of EvoCut that evocut.md compares. */
export const variants: readonly Method[] = [
  evocut('stride, I = 2 (ours)'),
  evocut('k-means++, fixed seed', paperParameters, { start: (...of) => plusPlusStart(seededRandom(1))(...of) }),
  evocut('random start, fixed seed', paperParameters, { start: (...of) => randomStart(seededRandom(1))(...of) }),
  evocut('farthest point', paperParameters, { start: farthestTokens }),
  evocut('farthest point + mass guard 6 %', paperParameters, { start: farthestTokens, leastShare: 0.06 }),
  evocut('stride + mass guard 6 %', paperParameters, { leastShare: 0.06 }),
  evocut('stride + mass guard 10 %', paperParameters, { leastShare: 0.1 }),
  byScore('stride, 64 random projections', ({ states }) => evolutionScores(projected(states, 64, seededRandom(1)))),
  byScore('stride, every second layer', ({ states }) => evolutionScores({ ...states, layers: states.layers.filter((_, layer) => layer % 2 === 1) })),
  byScore('stride, layers 5 to 9 alone', ({ states }) => evolutionScores({ ...states, layers: states.layers.slice(0, 5) })),
  byScore('stride, layers 9 to 12 alone', ({ states }) => evolutionScores({ ...states, layers: states.layers.slice(4) })),
  evocut('one group (M = 1)', { ...paperParameters, groups: 1 }),
  evocut('16 groups', { ...paperParameters, groups: 16 }),
  evocut('I = 10', { ...paperParameters, iterations: 10 }),
];

/** The beginning to avoid: the first token, then always the one that is least like those taken. It takes the very tokens that should stand out. */
export function farthestTokens(...[directions, count, width, groups]: Parameters<GroupStart>): number[] {
  const taken = [0];
  const closeness = new Float64Array(count).fill(-Infinity);
  while (taken.length < groups) {
    for (let token = 0; token < count; token++) {
      let dot = 0;
      for (let i = 0; i < width; i++) dot += directions[token * width + i] * directions[taken.at(-1)! * width + i];
      closeness[token] = Math.max(closeness[token], dot);
    }
    taken.push(closeness.indexOf(Math.min(...closeness)));
  }
  return taken;
}

/** Johnson, Lindenstrauss: steps as their products with random signs; the states' products have the same differences. */
function projected({ layers, tokens, width }: HiddenStates, dimensions: number, random: () => number): HiddenStates {
  const signs = Float32Array.from({ length: width * dimensions }, () => (random() < 0.5 ? -1 : 1));
  const project = (rows: Float32Array) => {
    const out = new Float32Array(tokens * dimensions);
    for (let token = 0; token < tokens; token++) {
      for (let i = 0; i < width; i++) {
        const value = rows[token * width + i];
        for (let to = 0; to < dimensions; to++) out[token * dimensions + to] += value * signs[i * dimensions + to];
      }
    }
    return out;
  };
  return { layers: layers.map(project), tokens, width: dimensions };
}
