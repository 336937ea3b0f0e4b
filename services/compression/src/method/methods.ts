/** Ways to choose tokens by what an encoder shows. One that needs the inside of a language model is not among them. */
import { seededRandom } from '@touchstone/runtime/random';
import { approximationScores } from '../baseline/scores.ts';
import { gridTokens, randomTokens } from '../baseline/selections.ts';
import { visionZipTokens } from '../baseline/vision-zip.ts';
import type { EncodedTokens } from '../token/token-files.ts';
import { keptTokens } from '../evocut/evocut.ts';

export interface Choice {
  /** Ascending; K, or fewer of `grid`. */
  readonly indices: Uint32Array;
  /** The method's own, one for each token. */
  readonly scores?: Float32Array;
  /** K × width, where kept tokens are not the picture's own. */
  readonly rows?: Float32Array;
}

export interface Method {
  readonly name: string;
  readonly description: string;
  readonly source: string;
  /** Fields of a request that change its choice, beside the budget. */
  readonly parameters: readonly string[];
  /** The encoder has to show its attention. */
  readonly needsAttention?: true;
  /** It has the picture itself made smaller, to so many tokens along each side, and keeps all of them. @param count 1 to N. */
  readonly sideFor?: (count: number) => number;
  /** @param count 1 to N. */
  choose(picture: EncodedTokens, count: number, seed: number): Choice;
}

export const methods: readonly Method[] = [
  {
    name: 'evocut',
    description: 'Tokens whose way through the encoder’s layers leaves that of the groups around them.',
    source: 'EvoCut, section 3 and algorithm 1: 8 groups, 2 rounds of k-means, groups begin a stride apart',
    parameters: ['momentum'],
    choose: ({ scores }, count) => highest(scores, count),
  },
  {
    name: 'random',
    description: 'Tokens drawn by chance: what any method has to beat.',
    source: 'baseline',
    parameters: ['seed'],
    choose: ({ grid }, count, seed) => ({ indices: randomTokens(grid.rows * grid.columns, count, seededRandom(seed)) }),
  },
  {
    name: 'grid',
    description: 'Tokens at the middles of the cells of a coarser grid, at most as many as the budget.',
    source: 'baseline',
    parameters: [],
    choose: ({ grid }, count) => ({ indices: gridTokens(grid.rows, grid.columns, count) }),
  },
  {
    name: 'downsample',
    description: 'All tokens of the picture made smaller, at most as many as the budget: the encoder has less to do, too.',
    source: 'baseline, arXiv:2510.07143',
    parameters: [],
    sideFor: (count) => Math.floor(Math.sqrt(count)),
    choose: ({ scores }) => highest(scores, scores.length),
  },
  {
    name: 'variation',
    description: 'Tokens that move furthest between layers, on average.',
    source: 'V2Drop’s measure (L2), in the encoder and not in the language model',
    parameters: [],
    choose: ({ variation }, count) => highest(variation, count),
  },
  {
    name: 'apet',
    description: 'Tokens that ten others, evenly apart, approximate worst.',
    source: 'ApET: the error of the least-squares approximation',
    parameters: [],
    choose: ({ grid, tokens, width }, count) => highest(Float32Array.from(approximationScores(tokens, grid.rows * grid.columns, width)), count),
  },
  {
    name: 'visionzip',
    description: 'Tokens that the class token attends to, and a few that stand for groups of the others, whose mean is added to them.',
    source: 'VisionZip, arXiv:2412.04467; the class token itself is not kept, tokens are taken from `selectLayer`',
    parameters: [],
    needsAttention: true,
    choose({ grid, tokens, width, classAttention, attentionKeys }, count) {
      const all = grid.rows * grid.columns;
      const input = { tokens: all, classAttention: classAttention!, rows: tokens, width, keys: attentionKeys!, keyWidth: attentionKeys!.length / all };
      return { ...visionZipTokens(input, count), scores: classAttention };
    },
  },
];

function highest(scores: Float32Array, count: number): Choice {
  return { indices: keptTokens(Float64Array.from(scores), count), scores };
}

/** Rows of the chosen tokens, K × width. */
export function chosenRows({ tokens, width }: EncodedTokens, { indices, rows }: Choice): Float32Array {
  if (rows) return rows;
  const kept = new Float32Array(indices.length * width);
  indices.forEach((token, place) => kept.set(tokens.subarray(token * width, (token + 1) * width), place * width));
  return kept;
}
