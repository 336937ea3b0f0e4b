/** Pictures whose content is known: an object on a ground, with the share of each patch that it covers. */
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { coarserGrid } from '../../services/compression/src/baseline/selections.ts';
import { patchPixels, type Picture, side } from './encoder.ts';

export const pixels = side * patchPixels;

/** RGBA; where alpha is 0 there is no object. */
export interface Cutout {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8Array;
}

export interface Composite extends Picture {
  /** Of each pixel, 1 where the object is. */
  readonly mask: Uint8Array;
}

const photosFolder = join(process.env.TOUCHSTONE_DATASETS ?? '', 'photos');

/** Each photo as a square of the encoder's size. @throws Error that says what to set, when there are none. */
export async function photos(): Promise<{ name: string; square: Uint8Array }[]> {
  const names = (await readdir(photosFolder).catch(() => [])).filter((name) => name.endsWith('.jpg')).sort();
  if (!process.env.TOUCHSTONE_DATASETS || names.length === 0) throw new Error('TOUCHSTONE_DATASETS must name a folder with photos/*.jpg');
  return Promise.all(
    names.map(async (name) => {
      const square = await sharp(join(photosFolder, name)).rotate().resize(pixels, pixels, { fit: 'cover' }).removeAlpha().toColourspace('srgb').raw().toBuffer();
      return { name, square };
    }),
  );
}

const openmoji = dirname(createRequire(import.meta.url).resolve('openmoji/package.json'));
const groups = ['animals-nature', 'food-drink', 'objects', 'travel-places'];

/** Colour pictures of things, every so many of openmoji's, without their empty rims. */
export async function emoji(count: number): Promise<Cutout[]> {
  const all: { hexcode: string; group: string; annotation: string; skintone: string }[] = JSON.parse(await readFile(join(openmoji, 'data/openmoji.json'), 'utf8'));
  const things = all.filter(({ group, skintone, annotation }) => groups.includes(group) && skintone === '' && !/clock|moon|o’clock|thirty/.test(annotation));
  const step = Math.floor(things.length / count);
  const chosen = things.filter((_, index) => index % step === 0).slice(0, count);
  return Promise.all(
    chosen.map(async ({ hexcode, annotation }) => {
      const svg = sharp(join(openmoji, 'color/svg', `${hexcode}.svg`), { density: 480 });
      const { data, info } = await sharp(await svg.png().toBuffer()).trim({ background: '#00000000', threshold: 0 }).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
      return { name: annotation, width: info.width, height: info.height, rgba: data };
    }),
  );
}

/** A piece of a photo with a smooth random outline. */
export function blob(name: string, square: Uint8Array, random: () => number): Cutout {
  const waves = [2, 3, 4].map((turns) => ({ turns, size: (random() * 0.45) / turns, phase: random() * 2 * Math.PI }));
  const rgba = new Uint8Array(pixels * pixels * 4);
  for (let y = 0, at = 0; y < pixels; y++) {
    for (let x = 0; x < pixels; x++, at++) {
      const angle = Math.atan2(y - pixels / 2, x - pixels / 2);
      const radius = (pixels / 2.6) * waves.reduce((sum, wave) => sum + wave.size * Math.cos(wave.turns * angle + wave.phase), 1);
      for (let channel = 0; channel < 3; channel++) rgba[at * 4 + channel] = square[at * 3 + channel];
      rgba[at * 4 + 3] = Math.hypot(x - pixels / 2, y - pixels / 2) <= radius ? 255 : 0;
    }
  }
  return { name, width: pixels, height: pixels, rgba };
}

/**
 * Puts objects on a ground of the encoder's size.
 *
 * @param left of the object's box, in pixels; it may reach beyond the picture.
 */
export async function composite(ground: Uint8Array, objects: readonly { object: Cutout; left: number; top: number; width: number; height: number }[]): Promise<Composite> {
  const out = Uint8Array.from(ground);
  const mask = new Uint8Array(pixels * pixels);
  for (const { object, left, top, width, height } of objects) {
    const raw = { width: object.width, height: object.height, channels: 4 } as const;
    const scaled = await sharp(object.rgba, { raw }).resize(width, height, { fit: 'fill' }).raw().toBuffer();
    for (let y = Math.max(0, -top); y < Math.min(height, pixels - top); y++) {
      for (let x = Math.max(0, -left); x < Math.min(width, pixels - left); x++) {
        const [from, to] = [(y * width + x) * 4, (top + y) * pixels + left + x];
        const alpha = scaled[from + 3] / 255;
        for (let channel = 0; channel < 3; channel++) out[to * 3 + channel] = Math.round(alpha * scaled[from + channel] + (1 - alpha) * out[to * 3 + channel]);
        if (alpha > 0.5) mask[to] = 1;
      }
    }
  }
  return { rows: side, columns: side, pixels: out, mask };
}

/**
 * Where an object covers `share` of the picture: its place is random, its size is searched.
 *
 * @returns undefined when no size covers so much, as of a thin object.
 */
export function placed(object: Cutout, share: number, random: () => number): { object: Cutout; left: number; top: number; width: number; height: number } | undefined {
  const [across, down] = [random(), random()];
  const place = (scale: number) => {
    const longer = Math.max(object.width, object.height);
    const [width, height] = [Math.max(1, Math.round((scale * pixels * object.width) / longer)), Math.max(1, Math.round((scale * pixels * object.height) / longer))];
    return { object, left: Math.round(across * (pixels - width)), top: Math.round(down * (pixels - height)), width, height };
  };
  let [low, high] = [0, 3];
  for (let step = 0; step < 20; step++) {
    const middle = (low + high) / 2;
    if (visibleShare(place(middle)) < share) low = middle;
    else high = middle;
  }
  const found = place(high);
  return Math.abs(visibleShare(found) - share) < 0.02 ? found : undefined;
}

/** Of a coarse sample of the picture's pixels. */
function visibleShare({ object, left, top, width, height }: { object: Cutout; left: number; top: number; width: number; height: number }): number {
  let [covered, all] = [0, 0];
  for (let y = 2; y < pixels; y += 4) {
    for (let x = 2; x < pixels; x += 4) {
      all += 1;
      const [across, down] = [(x - left) / width, (y - top) / height];
      if (across < 0 || across >= 1 || down < 0 || down >= 1) continue;
      if (object.rgba[(Math.floor(down * object.height) * object.width + Math.floor(across * object.width)) * 4 + 3] > 127) covered += 1;
    }
  }
  return covered / all;
}

/** The share of each cell of a grid of `rows` × `columns` that a mask of the picture's pixels covers. */
export function coverage(mask: Uint8Array, rows = side, columns = side): Float64Array {
  const sums = new Float64Array(rows * columns);
  const sizes = new Float64Array(rows * columns);
  for (let y = 0; y < pixels; y++) {
    for (let x = 0; x < pixels; x++) {
      const cell = Math.floor(((y + 0.5) * rows) / pixels) * columns + Math.floor(((x + 0.5) * columns) / pixels);
      sums[cell] += mask[y * pixels + x];
      sizes[cell] += 1;
    }
  }
  return sums.map((sum, cell) => sum / sizes[cell]);
}

/** The picture made so small that it has at most `count` patches. */
export async function downsampled(picture: Picture, count: number): Promise<Picture> {
  const { rows, columns } = coarserGrid(picture.rows, picture.columns, count);
  const raw = { width: picture.columns * patchPixels, height: picture.rows * patchPixels, channels: 3 } as const;
  const small = await sharp(picture.pixels, { raw }).resize(columns * patchPixels, rows * patchPixels, { fit: 'fill' }).raw().toBuffer();
  return { rows, columns, pixels: small };
}

/** The same picture after JPEG of quality 75. */
export async function savedAgain(picture: Picture): Promise<Picture> {
  const raw = { width: picture.columns * patchPixels, height: picture.rows * patchPixels, channels: 3 } as const;
  return { ...picture, pixels: await sharp(await sharp(picture.pixels, { raw }).jpeg({ quality: 75 }).toBuffer()).raw().toBuffer() };
}
