/** What the report measures, one function for each question. Every random choice follows from `seed`. */
import { seededRandom } from '@touchstone/runtime/random';
import { evolutionScores, type GroupStart, keptTokens, paperParameters } from '../../services/compression/src/evocut/evocut.ts';
import { plusPlusStart, randomStart } from '../../services/compression/src/evocut/group-starts.ts';
import { type Encoded, type Encoder, type Picture, side, tokens, width } from './encoder.ts';
import { centerOf, leastCover, likeness, named, seenWhole, sidesTold } from './kept-measures.ts';
import { areaUnderCurve, comparable, jaccard, mean, recall, shareKept } from './measures.ts';
import { keptOf, type Method, variants } from './methods.ts';
import { blob, composite, type Composite, coverage, type Cutout, pixels, placed, savedAgain } from './pictures.ts';
import type { Samples } from './samples.ts';
import { leastInk, type TextPicture, textKinds, textPicture } from './text-pictures.ts';
import { texture, textures } from './textures.ts';

export const seed = 20_261_124;
/** 6.3, 11.1, 22.2 and 33.3 % of 256: but for the first the shares of the paper. */
export const budgets = [16, 28, 57, 85];
export const smallBudget = 28;
export const objectShares = { '3–10 %': [0.03, 0.1], '19–32 %': [0.19, 0.32], '66–77 %': [0.66, 0.77] } as const;

export interface Study {
  readonly encoder: Encoder;
  readonly methods: readonly Method[];
  readonly samples: Samples;
  readonly photos: readonly { readonly name: string; readonly square: Uint8Array }[];
  readonly things: readonly Cutout[];
  /** What all tokens of the photos have in common. */
  readonly center: Float64Array;
}

export async function commonCenter(encoder: Encoder, photos: Study['photos']): Promise<Float64Array> {
  const rows: Float32Array[] = [];
  for (const { square } of photos) rows.push((await encoder.encode({ rows: side, columns: side, pixels: square })).ninth);
  return centerOf(rows);
}

/** An object on a ground, the `number`th of its kind: by turns four drawings and four pieces of other photos. Some tokens are its own. */
export async function objectPicture({ photos, things }: Pick<Study, 'photos' | 'things'>, ground: 'texture' | 'photo', [low, high]: readonly [number, number], number: number): Promise<Composite & { thing?: number }> {
  const random = seededRandom(seed + 1000 * number + Math.round(100 * low) + (ground === 'photo' ? 500_000 : 0));
  const under = Math.floor(random() * photos.length);
  const base = ground === 'texture' ? texture(textures[number % textures.length], pixels, random) : photos[under].square;
  const share = low + random() * (high - low);
  for (;;) {
    const isDrawing = Math.floor(number / textures.length) % 2 === 0;
    const thing = Math.floor(random() * things.length);
    const piece = photos[(under + 1 + Math.floor(random() * (photos.length - 1))) % photos.length];
    const spot = placed(isDrawing ? things[thing] : blob(piece.name, piece.square, random), share, random);
    if (spot === undefined) continue;
    const picture = await composite(base, [spot]);
    if (coverage(picture.mask).filter((cover) => cover >= leastCover).length >= 4) return { ...picture, ...(isDrawing ? { thing } : {}) };
  }
}

/** Objects on grounds: finding them, telling them from the ground, and standing for the whole picture. */
export async function studyObjects(study: Study, count: number, log: (line: string) => void): Promise<void> {
  const known = await knownThings(study);
  for (const ground of ['texture', 'photo'] as const) {
    for (const [size, shares] of Object.entries(objectShares)) {
      for (let number = 0; number < count; number++) {
        const picture = await objectPicture(study, ground, shares, number);
        const encoded = await study.encoder.encode(picture);
        const cover = coverage(picture.mask);
        const isObject = Array.from(cover, (share) => share >= leastCover);
        const of = `${ground}, object ${size}`;
        const kind = picture.thing === undefined ? 'pieces of photos' : 'drawings';
        await measure(study, { of, kind: `${of}, ${kind}` }, picture, encoded, isObject, budgets, number);
        if (picture.thing !== undefined) await measureNaming(study, of, picture, encoded, known, picture.thing, number);
        for (const variant of variants) {
          const scores = variant.scores!(encoded);
          study.samples.add(`variants: ${of}`, 'auc', undefined, variant.name, areaUnderCurve(scores, isObject));
          study.samples.add(`variants: ${of}`, 'recall', smallBudget, variant.name, recall(keptTokens(Float64Array.from(scores), smallBudget), isObject));
        }
      }
      log(`${ground}, object ${size}: ${count} pictures`);
    }
  }
}

/** @param kind under which areas are collected once more. */
async function measure({ methods, samples, center }: Study, { of, kind }: { of: string; kind?: string }, picture: Picture & { mask?: Uint8Array }, encoded: Encoded, isObject: readonly boolean[], counts: readonly number[], number: number): Promise<void> {
  const isSplit = isObject.includes(true) && isObject.includes(false);
  const seen = seenWhole(encoded.ninth, center);
  for (const method of methods) {
    const scores = method.scores?.(encoded);
    for (const name of scores && isSplit ? [of, ...(kind ? [kind] : [])] : []) samples.add(name, 'auc', undefined, method.name, areaUnderCurve(scores!, isObject));
    for (const count of counts) {
      const kept = await method.keep(encoded, count, picture, scores, seed + number);
      if (kept.indices && isSplit && picture.mask) samples.add(of, 'recall', count, method.name, recall(kept.indices, isObject));
      if (kept.indices && isSplit && !picture.mask) samples.add(of, 'kept', count, method.name, shareKept(kept.indices, isObject));
      const { nearest, cosine } = likeness(seen, kept);
      samples.add(of, 'likeness', count, method.name, mean(cosine));
      if (isSplit && picture.mask) samples.add(of, 'sides', count, method.name, sidesTold(nearest, kept, picture.mask, isObject));
    }
  }
}

/** Tokens of each drawing alone on grey, half as wide as the picture. */
async function knownThings({ encoder, things, center }: Study): Promise<Float32Array[]> {
  const grey = new Uint8Array(pixels * pixels * 3).fill(128);
  return Promise.all(
    things.map(async (thing) => {
      const scale = pixels / 2 / Math.max(thing.width, thing.height);
      const size = { width: Math.round(scale * thing.width), height: Math.round(scale * thing.height) };
      const picture = await composite(grey, [{ object: thing, left: Math.round((pixels - size.width) / 2), top: Math.round((pixels - size.height) / 2), ...size }]);
      const encoded = await encoder.encode(picture);
      const cover = coverage(picture.mask);
      const own = Uint32Array.from(cover.keys()).filter((token) => cover[token] >= 0.3);
      return comparable(keptOf(encoded, own).rows, width, center);
    }),
  );
}

async function measureNaming({ methods, samples, center }: Study, of: string, picture: Picture, encoded: Encoded, known: readonly Float32Array[], thing: number, number: number): Promise<void> {
  const right = (rows: Float32Array) => Number(named(known, comparable(rows, width, center)) === thing);
  samples.add(of, 'named', smallBudget, 'all tokens', right(encoded.ninth));
  for (const method of methods) {
    const kept = await method.keep(encoded, smallBudget, picture, undefined, seed + number);
    samples.add(of, 'named', smallBudget, method.name, right(kept.rows));
  }
}

/** Whole photos, of which nothing is the object: how well kept tokens stand for all. */
export async function studyPhotos(study: Study): Promise<void> {
  for (const [number, { square }] of study.photos.entries()) {
    const picture = { rows: side, columns: side, pixels: square };
    await measure(study, { of: 'whole photo' }, picture, await study.encoder.encode(picture), Array(tokens).fill(true), budgets, number);
  }
}

/** Many small equal things: which of them are seen at all. */
export async function studyRepeats({ encoder, methods, samples, photos, things }: Study, count: number, copies = 8): Promise<void> {
  for (const ground of ['texture', 'photo'] as const) {
    for (let number = 0; number < count; number++) {
      const random = seededRandom(seed + number + (ground === 'photo' ? 7_000_000 : 6_000_000));
      const base = ground === 'texture' ? texture(textures[number % textures.length], pixels, random) : photos[Math.floor(random() * photos.length)].square;
      const object = things[Math.floor(random() * things.length)];
      const [cells, size] = [4, 34];
      const places = Array.from({ length: cells ** 2 }, (_, cell) => ({ cell, draw: random() })).sort((a, b) => a.draw - b.draw).slice(0, copies);
      const spots = places.map(({ cell }) => {
        const [room, longer] = [pixels / cells - size, Math.max(object.width, object.height)];
        return { object, left: Math.floor((cell % cells) * (pixels / cells) + random() * room), top: Math.floor(Math.floor(cell / cells) * (pixels / cells) + random() * room), width: Math.max(1, Math.round((size * object.width) / longer)), height: Math.max(1, Math.round((size * object.height) / longer)) };
      });
      const picture = await composite(base, spots);
      const single = await Promise.all(spots.map(async (spot) => coverage((await composite(base, [spot])).mask)));
      const encoded = await encoder.encode(picture);
      for (const method of methods) {
        for (const budget of budgets) {
          const { indices } = await method.keep(encoded, budget, picture, undefined, seed + number);
          // A copy is seen when a kept token lies on it, at least a quarter of the token.
          if (indices) samples.add(`8 small copies on a ${ground}`, 'seen', budget, method.name, mean(single.map((cover) => Number(indices.some((token) => cover[token] >= 0.25)))));
        }
      }
    }
  }
}

export const textBudgets = [28, 57, 85, 128];

/** Pictures of text: which share of its tokens is kept, and from which budget on nearly all of it is. */
export async function studyText(study: Study, count: number): Promise<void> {
  for (const kind of textKinds) {
    for (let number = 0; number < count; number++) {
      const picture = await textOf(study, kind, number);
      const encoded = await study.encoder.encode(picture);
      const isText = Array.from(coverage(picture.mask), (share) => share >= leastInk);
      const of = `text, ${kind}`;
      study.samples.add(of, 'text share', undefined, 'all tokens', mean(isText.map(Number)));
      await measure(study, { of }, { ...picture, mask: undefined }, encoded, isText, textBudgets, number); // a letter never covers half a patch
      for (const method of study.methods) {
        const { indices } = await method.keep(encoded, smallBudget, picture, undefined, seed + number);
        if (!indices) continue;
        study.samples.add(of, 'floor', undefined, method.name, await leastBudget(method, encoded, picture, isText, number));
      }
    }
  }
}

const textOf = ({ photos }: Study, kind: (typeof textKinds)[number], number: number): Promise<TextPicture> =>
  textPicture(kind, seededRandom(seed + 13 * number + 100_000 * textKinds.indexOf(kind)), photos[(number * 5 + 2) % photos.length].square);

/** The smallest share of tokens, in steps of 4, that holds 90 % of the text's. */
async function leastBudget(method: Method, encoded: Encoded, picture: Picture, isText: readonly boolean[], number: number): Promise<number> {
  const scores = method.scores?.(encoded);
  for (let budget = 4; budget < tokens; budget += 4) {
    const { indices } = await method.keep(encoded, budget, picture, scores, seed + number);
    if (shareKept(indices!, isText) >= 0.9) return budget / tokens;
  }
  return 1;
}

/** How alike the tokens are that k-means keeps when it begins otherwise, and when the picture is saved once more. */
export async function studySeeds({ encoder, samples, photos }: Study, count: number): Promise<void> {
  const seeds = Array.from({ length: 20 }, (_, at) => at + 1);
  const pairs = <T>(sets: readonly T[]) => sets.flatMap((a, at) => sets.slice(at + 1).map((b): [T, T] => [a, b]));
  const alike = (scores: readonly Float64Array[]) => mean(pairs(scores.map((each) => keptTokens(each, smallBudget))).map(([a, b]) => jaccard(a, b)));
  /** Four averages of five seeds each, no seed in two of them. */
  const averages = (scores: readonly Float64Array[]) => [0, 5, 10, 15].map((from) => Float64Array.from({ length: tokens }, (_, token) => mean(scores.slice(from, from + 5).map((each) => each[token]))));
  const pictures = [
    ...photos.filter((_, at) => at % 2 === 0).map(({ square }) => ({ of: 'whole photo', picture: { rows: side, columns: side, pixels: square } })),
    ...(await Promise.all(Array.from({ length: count }, async (_, number) => ({ of: 'texture, object 3–10 %', picture: await objectPicture({ photos, things: [] }, 'texture', objectShares['3–10 %'], 4 + (number % 4) + 8 * Math.floor(number / 4)) })))),
  ];
  for (const [number, { of, picture }] of pictures.entries()) {
    const { states, classAttention } = await encoder.encode(picture);
    const scored = (start: (random: () => number) => GroupStart, iterations = 2) => seeds.map((each) => evolutionScores(states, { ...paperParameters, iterations }, { start: start(seededRandom(each)) }));
    const [random, plusPlus] = [scored(randomStart), scored(plusPlusStart)];
    samples.add(of, 'jaccard', smallBudget, 'random start, one seed', alike(random));
    samples.add(of, 'jaccard', smallBudget, 'random start, mean of 5 seeds', alike(averages(random)));
    samples.add(of, 'jaccard', smallBudget, 'k-means++, one seed', alike(plusPlus));
    samples.add(of, 'jaccard', smallBudget, 'k-means++, mean of 5 seeds', alike(averages(plusPlus)));
    if (number % 3 === 0) samples.add(of, 'jaccard', smallBudget, 'random start, one seed, I = 10', alike(scored(randomStart, 10)));
    const again = await encoder.encode(await savedAgain(picture));
    const same = (a: ArrayLike<number>, b: ArrayLike<number>) => jaccard(keptTokens(Float64Array.from(a), smallBudget), keptTokens(Float64Array.from(b), smallBudget));
    samples.add(of, 'jaccard', smallBudget, 'EvoCut (stride), picture saved again as JPEG 75', same(evolutionScores(states), evolutionScores(again.states)));
    samples.add(of, 'jaccard', smallBudget, 'VisionZip’s attention, picture saved again as JPEG 75', same(classAttention, again.classAttention));
  }
}
