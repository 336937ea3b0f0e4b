// A process of its own, because a picture is hostile input to native code: the parent may kill it at any time.
// It imports nothing of ours but types and four pure files, so it starts in a moment and has no secrets.
import sharp, { type Sharp } from 'sharp';

import { isAnimatedPng } from './animation.ts';
import { drawHeatMap } from './heat-map.ts';
import { perceptualHash } from './perceptual-hash.ts';
import type { FreePicture } from './picture-patches.ts';
import { centre } from './picture-pixels.ts';
import type { Drawing, PictureAnswer, PictureJob } from './picture-processes.ts';
import { smartResize } from './smart-resize.ts';

/** Formats with their libvips loaders; every other loader (SVG, PDF, …) is blocked before it sees a byte. */
const loaders = { jpeg: 'Jpeg', png: 'Png', webp: 'Webp', gif: 'Nsgif', tiff: 'Tiff', heif: 'Heif' };
/** Formats whose pages are frames of an animation. Of a TIFF with pages the first counts. */
const animatedFormats = ['gif', 'webp'];

sharp.cache(false);
sharp.concurrency(1);
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: Object.values(loaders).map((loader) => `VipsForeignLoad${loader}`) });

/** The longer side of what PDQ is made from. */
const hashedSide = 512;

/** The longer side of a drawing. */
const drawnSide = 768;

/** The picture upright, in sRGB, transparent = white. @throws Error for what is no picture we take. */
async function opened({ bytes, maximumPixels }: PictureJob): Promise<Sharp> {
  const options = { limitInputPixels: maximumPixels, failOn: 'error', pages: 1 } as const;
  const { format, pages = 1, width, height } = await sharp(bytes, { ...options, limitInputPixels: false }).metadata();
  if (width * height > maximumPixels) throw new Error(`it has ${width} × ${height} pixels; at most ${maximumPixels} are taken`);
  const isAnimated = (pages > 1 && animatedFormats.includes(format)) || isAnimatedPng(bytes);
  if (isAnimated) throw new Error('it is animated; send one frame of it');

  return sharp(bytes, options).autoOrient().toColourspace('srgb').flatten({ background: '#ffffff' });
}

const raw = (picture: Sharp) => picture.removeAlpha().raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });

/** Pixels [crop, crop, 3]: resized (bicubic), the centre. */
async function prepare(job: PictureJob): Promise<Uint8Array> {
  const { fit, resize, crop } = job.size!;
  const { data, info } = await raw((await opened(job)).resize({ width: resize, height: resize, fit, kernel: 'cubic', fastShrinkOnLoad: false }));
  return centre(data, info.width, info.height, info.channels, crop);
}

/** All pixels, resized (bicubic) to whole patches. */
async function prepareFree(job: PictureJob): Promise<FreePicture> {
  const picture = await opened(job);
  const { autoOrient } = await picture.metadata();
  const { width, height } = smartResize(autoOrient.width, autoOrient.height, job.bounds!);
  const { data, info } = await raw(picture.resize({ width, height, fit: 'fill', kernel: 'cubic', fastShrinkOnLoad: false }));
  return { pixels: rgb(data, info), width, height };
}

/** PDQ of the whole picture; a JPEG may be made smaller while it is decoded. */
async function hash(job: PictureJob) {
  const { data, info } = await raw((await opened(job)).resize({ width: hashedSide, height: hashedSide, fit: 'inside', withoutEnlargement: true }));
  return perceptualHash(rgb(data, info), info.width, info.height);
}

/** A PNG of the whole picture under a heat map. */
async function draw(job: PictureJob): Promise<Drawing> {
  const { data, info } = await raw((await opened(job)).resize({ width: drawnSide, height: drawnSide, fit: 'inside' }));
  const { width, height } = info;
  const pixels = rgb(data, info);
  drawHeatMap(pixels, width, height, job.map!);
  return { png: await sharp(pixels, { raw: { width, height, channels: 3 } }).png().toBuffer(), width, height };
}

/** One channel becomes three. */
function rgb(data: Uint8Array, { width, height, channels }: { width: number; height: number; channels: number }): Uint8Array {
  return channels === 3 ? data : Uint8Array.from({ length: width * height * 3 }, (_, at) => data[Math.floor(at / 3) * channels]);
}

const work: Readonly<Record<PictureJob['want'], (job: PictureJob) => Promise<PictureAnswer>>> = {
  pixels: async (job) => ({ pixels: await prepare(job) }),
  free: async (job) => ({ free: await prepareFree(job) }),
  hash: async (job) => ({ hash: await hash(job) }),
  drawing: async (job) => ({ drawing: await draw(job) }),
};

/** Decoders say much; the first line is for people. */
function reason(error: unknown): string {
  const [line] = String(error instanceof Error ? error.message : error).split('\n');
  return line.includes('unsupported image format') ? 'it is no JPEG, PNG, WebP, GIF, TIFF or AVIF picture' : line;
}

const send = (answer: PictureAnswer) => process.send!(answer);

process.on('message', (job: PictureJob) => {
  work[job.want](job).then(send, (error) => send({ refused: reason(error) }));
});
process.on('disconnect', () => process.exit());

const maximumBytes = Number(process.argv[2]);
setInterval(() => process.memoryUsage.rss() > maximumBytes && process.exit(1), 20).unref();
send({ isStarted: true });
