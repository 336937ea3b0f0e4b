// A process of its own, because a picture is hostile input to native code: the parent may kill it at any time.
// It imports nothing of ours but types, so it starts in a moment and has no secrets.
import sharp from 'sharp';

import type { PictureAnswer, PictureJob } from './picture-processes.ts';

/** Formats with their libvips loaders; every other loader (SVG, PDF, …) is blocked before it sees a byte. */
const loaders = { jpeg: 'Jpeg', png: 'Png', webp: 'Webp', gif: 'Nsgif', tiff: 'Tiff', heif: 'Heif' };
/** Formats whose pages are frames of an animation. Of a TIFF with pages the first counts; an APNG has a still picture. */
const animatedFormats = ['gif', 'webp'];

sharp.cache(false);
sharp.concurrency(1);
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: Object.values(loaders).map((loader) => `VipsForeignLoad${loader}`) });

/** Pixels [224, 224, 3] as DINOv2 wants them: upright, shorter side 256 (bicubic), centre 224, sRGB, transparent = white. */
async function prepare({ bytes, resize, crop, maximumPixels }: PictureJob): Promise<Uint8Array> {
  const options = { limitInputPixels: maximumPixels, failOn: 'error', pages: 1 } as const;
  const { format, pages = 1, width, height } = await sharp(bytes, { ...options, limitInputPixels: false }).metadata();
  if (width * height > maximumPixels) throw new Error(`it has ${width} × ${height} pixels; at most ${maximumPixels} are taken`);
  if (pages > 1 && animatedFormats.includes(format)) throw new Error('it is animated; send one frame of it');

  const resized = await sharp(bytes, options)
    .autoOrient()
    .toColourspace('srgb')
    .flatten({ background: '#ffffff' })
    .resize({ width: resize, height: resize, fit: 'outside', kernel: 'cubic', fastShrinkOnLoad: false })
    .removeAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });

  const { width: w, height: h, channels } = resized.info;
  return cropped(resized.data, w, h, channels, crop);
}

/** The centre of interleaved pixels; one channel becomes three. */
function cropped(pixels: Uint8Array, width: number, height: number, channels: number, size: number): Uint8Array {
  const left = Math.floor((width - size) / 2);
  const top = Math.floor((height - size) / 2);
  const out = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const from = ((top + y) * width + left + x) * channels;
      const to = (y * size + x) * 3;
      for (let c = 0; c < 3; c++) out[to + c] = pixels[from + (channels >= 3 ? c : 0)];
    }
  }
  return out;
}

/** Decoders say much; the first line is for people. */
function reason(error: unknown): string {
  const [line] = String(error instanceof Error ? error.message : error).split('\n');
  return line.includes('unsupported image format') ? 'it is no JPEG, PNG, WebP, GIF, TIFF or AVIF picture' : line;
}

const send = (answer: PictureAnswer) => process.send!(answer);

process.on('message', (job: PictureJob) => {
  prepare(job).then(
    (pixels) => send({ pixels }),
    (error) => send({ refused: reason(error) }),
  );
});
process.on('disconnect', () => process.exit());

const maximumBytes = Number(process.argv[2]);
setInterval(() => process.memoryUsage.rss() > maximumBytes && process.exit(1), 20).unref();
send({ isStarted: true });
