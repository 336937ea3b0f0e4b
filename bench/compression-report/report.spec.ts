import { beforeAll, describe, expect, it } from 'vitest';
import { evolutionScores, type GroupStart, paperParameters } from '../../services/compression/src/evocut/evocut.ts';
import { type Encoded, Encoder } from './encoder.ts';
import { leastCover } from './kept-measures.ts';
import { areaUnderCurve, mean, recall } from './measures.ts';
import { farthestTokens, methods } from './methods.ts';
import { type Composite, coverage, emoji } from './pictures.ts';
import { objectPicture, objectShares, smallBudget } from './studies.ts';
import { encoderWeights } from './weights.ts';

/** The report in seconds, on real weights: drawings that cover 3 to 10 % of grass, bricks, gravel and sand. */
const numbers = [0, 1, 2, 3, 8, 9, 10, 11];

let encoder: Encoder;
let pictures: { picture: Composite; isObject: boolean[]; encoded: Encoded }[];

beforeAll(async () => {
  const { file } = await encoderWeights();
  encoder = await Encoder.open(file);
  const things = await emoji(60);
  pictures = [];
  for (const number of numbers) {
    const picture = await objectPicture({ photos: [], things }, 'texture', objectShares['3–10 %'], number);
    pictures.push({ picture, isObject: Array.from(coverage(picture.mask), (share) => share >= leastCover), encoded: await encoder.encode(picture) });
  }
}, 300_000);

describe('EvoCut on small objects', () => {
  it('finds them when groups begin a stride apart, and not when they begin at the tokens furthest apart', () => {
    const areas = (start?: GroupStart) => mean(pictures.map(({ encoded, isObject }) => areaUnderCurve(evolutionScores(encoded.states, paperParameters, { start }), isObject)));
    const stride = areas();
    expect(stride).toBeGreaterThan(0.9);
    expect(areas(farthestTokens)).toBeLessThan(stride - 0.2);
  });

  it('keeps them, as VisionZip does, where random tokens and a grid do not', async () => {
    const kept = async (name: string) => {
      const method = methods(encoder).find((each) => each.name === name)!;
      const shares = pictures.map(async ({ picture, isObject, encoded }, number) => recall((await method.keep(encoded, smallBudget, picture, undefined, number)).indices!, isObject));
      return mean(await Promise.all(shares));
    };
    expect(await kept('EvoCut')).toBeGreaterThan(0.6);
    expect(await kept('VisionZip')).toBeGreaterThan(0.6);
    expect(await kept('random')).toBeLessThan(0.3);
    expect(await kept('uniform grid')).toBeLessThan(0.3);
  });
});

it('objects cover as much as they are said to', () => {
  for (const { picture } of pictures) {
    const share = mean(picture.mask);
    expect(share).toBeGreaterThan(0.02);
    expect(share).toBeLessThan(0.12);
  }
});
