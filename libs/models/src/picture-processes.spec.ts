import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { afterEach, describe, expect, it } from 'vitest';

import { readManifest } from './manifest.ts';
import { ModelNotReady, PictureRefused } from './models.errors.ts';
import { hashDistance, perceptualHash } from './perceptual-hash.ts';
import { pixelTensor } from './picture-pixels.ts';
import { PictureProcesses, type PictureLimits } from './picture-processes.ts';

const dinov2 = readManifest('laptop')['embed-image'].preparation!;

let opened: PictureProcesses[] = [];
const open = (limits?: Partial<PictureLimits>): PictureProcesses => {
  const processes = new PictureProcesses({ processes: 1, ...limits });
  opened.push(processes);
  return processes;
};
afterEach(async () => {
  await Promise.all(opened.map((processes) => processes.close()));
  opened = [];
});

type Colour = readonly [number, number, number];
const png = (width: number, height: number, colourAt: (x: number, y: number) => Colour) => {
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) pixels.set(colourAt(x, y), (y * width + x) * 3);
  return sharp(pixels, { raw: { width, height, channels: 3 } });
};
const plain = (width: number, height: number, progressive = false) =>
  sharp({ create: { width, height, channels: 3, background: { r: 200, g: 100, b: 50 } } })
    .png({ compressionLevel: 1, progressive })
    .toBuffer();
const at = (pixels: Uint8Array, x: number, y: number): number[] => [...pixels.slice((y * 224 + x) * 3, (y * 224 + x) * 3 + 3)];
const refusal = (processes: PictureProcesses, bytes: Uint8Array) => processes.prepare(bytes, dinov2, 7).catch((error) => error);

/** Cubic convolution with a = -0.5, widened when it shrinks, as Pillow resizes: written apart from any library. */
function resizeRow(row: readonly number[], size: number): number[] {
  const scale = row.length / size;
  const width = Math.max(scale, 1);
  const kernel = (t: number) => {
    const x = Math.abs(t);
    if (x < 1) return 1.5 * x ** 3 - 2.5 * x ** 2 + 1;
    return x < 2 ? -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2 : 0;
  };
  return Array.from({ length: size }, (_, out) => {
    const centre = (out + 0.5) * scale;
    const weights = row.map((_, position) => kernel((position + 0.5 - centre) / width));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return row.reduce((sum, value, position) => sum + value * weights[position], 0) / total;
  });
}

describe('preparation', () => {
  it('equals a bicubic resize and centre crop computed apart from the library, within 2 of 255', async () => {
    const wave = Array.from({ length: 600 }, (_, x) => 128 + 90 * Math.sin(x / 23) + 30 * Math.cos(x / 7));
    const picture = await png(600, 400, (x) => [Math.round(wave[x]), Math.round(255 - wave[x]), 40]).png().toBuffer();
    const pixels = await open().prepare(picture, dinov2, 0);

    // The shorter side of 400 becomes 256, so 600 becomes 384; the crop starts at (384 - 224) / 2 = 80.
    const expected = resizeRow(wave.map(Math.round), 384).slice(80, 304);
    const differences = expected.map((value, x) => Math.abs(at(pixels, x, 100)[0] - value));
    expect(pixels).toHaveLength(224 * 224 * 3);
    expect(Math.max(...differences)).toBeLessThan(2);
    expect(at(pixels, 0, 0)[2]).toBe(40);
  });

  it('puts red, green and blue into planes with ImageNet’s mean and deviation', () => {
    const pixels = new Uint8Array(224 * 224 * 3);
    pixels.set([255, 0, 128]);
    const { shape, data } = pixelTensor([pixels, pixels], dinov2);
    const plane = 224 * 224;
    expect(shape).toEqual([2, 3, 224, 224]);
    // (1 - .485) / .229, (0 - .456) / .224, (128 / 255 - .406) / .225, by hand
    expect(data[0]).toBeCloseTo(2.2489, 4);
    expect(data[plane]).toBeCloseTo(-2.0357, 4);
    expect(data[5 * plane]).toBeCloseTo(0.4265, 4);
  });

  it('turns a picture upright as its EXIF says', async () => {
    // Red above blue; orientation 3 = upside down.
    const picture = png(300, 300, (_, y) => (y < 150 ? [255, 0, 0] : [0, 0, 255]));
    const turned = await picture.withMetadata({ orientation: 3 }).png().toBuffer();
    const pixels = await open().prepare(turned, dinov2, 0);
    expect(at(pixels, 100, 10)).toEqual([0, 0, 255]);
    expect(at(pixels, 100, 210)).toEqual([255, 0, 0]);
  });

  it('shows transparent as white, grey as grey, and enlarges a tiny picture', async () => {
    const processes = open();
    const clear = await sharp({ create: { width: 300, height: 300, channels: 4, background: { r: 9, g: 9, b: 9, alpha: 0 } } }).png().toBuffer();
    expect(at(await processes.prepare(clear, dinov2, 0), 5, 5)).toEqual([255, 255, 255]);
    const grey = await png(2, 3, () => [77, 77, 77]).grayscale().png().toBuffer();
    expect(at(await processes.prepare(grey, dinov2, 0), 5, 5)).toEqual([77, 77, 77]);
  });

  it.each(['jpeg', 'webp', 'tiff', 'gif', 'avif'] as const)('takes %s', async (format) => {
    const picture = await png(260, 260, () => [200, 100, 50]).toFormat(format).toBuffer();
    const [red, green, blue] = at(await open().prepare(picture, dinov2, 0), 112, 112);
    expect(Math.max(Math.abs(red - 200), Math.abs(green - 100), Math.abs(blue - 50))).toBeLessThan(12);
  });
});

describe('perceptual hash', () => {
  const wavy = (width: number, height: number) =>
    png(width, height, (x, y) => [128 + 100 * Math.sin((x / width) * 9) * Math.cos((y / height) * 14), 128 + 90 * Math.sin((x / width) * 21 + (y / height) * 8), (255 * x) / width]);

  it('is that of the picture, whatever its size and format', async () => {
    const processes = open();
    const whole = await processes.hash(await wavy(1200, 900).png().toBuffer(), 0);
    const small = await processes.hash(await sharp(await wavy(1200, 900).png().toBuffer()).resize(400).jpeg({ quality: 60 }).toBuffer(), 0);
    expect(whole.hash).toHaveLength(32);
    expect(whole.quality).toBeGreaterThan(49);
    expect(hashDistance(whole.hash, small.hash)).toBeLessThanOrEqual(31);
    const { data, info } = await wavy(400, 300).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    expect(await processes.hash(await wavy(400, 300).png().toBuffer(), 0)).toEqual(perceptualHash(data, info.width, info.height));
  });

  it('takes a grey picture and refuses what is none', async () => {
    const processes = open();
    const grey = await wavy(200, 100).grayscale().png().toBuffer();
    expect((await processes.hash(grey, 0)).quality).toBeGreaterThan(0);
    await expect(processes.hash(Buffer.from('hello'), 3)).rejects.toMatchObject({ index: 3, detail: expect.stringContaining('it is no JPEG') });
  });
});

describe('what is refused', () => {
  it('names the picture and the reason', async () => {
    const processes = open();
    const photo = await png(800, 800, (x, y) => [(x * y) % 255, x % 255, y % 255]).jpeg().toBuffer();
    const frames = [0, 120].map((shade) => sharp({ create: { width: 8, height: 8, channels: 3, background: { r: shade, g: 0, b: 0 } } }).png().toBuffer());
    const animated = await sharp(await Promise.all(frames), { join: { animated: true } }).gif().toBuffer();
    const cases: [Uint8Array, string][] = [
      [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'), 'it is no JPEG, PNG'],
      [Buffer.from('%PDF-1.4 and so on'), 'it is no JPEG, PNG'],
      [Buffer.from('hello'), 'it is no JPEG, PNG'],
      [new Uint8Array(), 'it is empty'],
      [photo.subarray(0, photo.length / 2), 'premature end'],
      [await plain(8_000, 5_001), '8000 × 5001 pixels; at most 40000000'],
      [animated, 'animated'],
    ];
    for (const [bytes, reason] of cases) {
      const refused = await refusal(processes, bytes);
      expect(refused).toBeInstanceOf(PictureRefused);
      expect(refused).toMatchObject({ index: 7, detail: expect.stringContaining(reason) });
    }
    expect(processes.processIds).toHaveLength(1);
  });

  it('ends a process that takes too much memory, and goes on with a new one', async () => {
    const processes = open({ maximumMemoryBytes: 140_000_000 });
    // Interlaced: all of its 108 MB must be in memory before the first row is known.
    const refused = await refusal(processes, await plain(6_000, 6_000, true));
    expect(refused).toBeInstanceOf(PictureRefused);
    expect(refused.detail).toContain('its process ended');
    expect(at(await processes.prepare(await plain(300, 300), dinov2, 0), 3, 3)).toEqual([200, 100, 50]);
  });

  it('kills a process that takes too long', async () => {
    const processes = open({ timeoutMs: 1 });
    const refused = await refusal(processes, await plain(6_000, 6_000));
    expect(refused).toMatchObject({ index: 7, detail: expect.stringContaining('over 1 ms') });
  });
});

let bomb: Buffer | undefined;

/** A PNG of 10 × 10 pixels with a chunk before its pixels. */
async function pngWith(type: string, data: Uint8Array): Promise<Buffer> {
  const body = Buffer.concat([Buffer.from(type), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  const plainPicture = await plain(10, 10);
  const afterHeader = 33;
  return Buffer.concat([plainPicture.subarray(0, afterHeader), chunk, plainPicture.subarray(afterHeader)]);
}

describe('a picture that is not what it seems', () => {
  it.each(['gif', 'webp'] as const)('refuses an animated %s', async (format) => {
    const frames = [0, 120].map((shade) => sharp({ create: { width: 8, height: 8, channels: 3, background: { r: shade, g: 0, b: 0 } } }).png().toBuffer());
    const animated = await sharp(await Promise.all(frames), { join: { animated: true } }).toFormat(format).toBuffer();
    expect(await refusal(open(), animated)).toMatchObject({ detail: expect.stringContaining('animated') });
  });

  it('refuses an APNG, which the decoder shows as a still picture, and an AVIF sequence', async () => {
    const processes = open();
    const apng = await pngWith('acTL', Uint8Array.of(0, 0, 0, 2, 0, 0, 0, 0));
    expect(await refusal(processes, apng)).toMatchObject({ detail: expect.stringContaining('animated') });
    const avif = await png(64, 64, () => [200, 100, 50]).avif().toBuffer();
    avif.write('avis', 8);
    expect(await refusal(processes, avif)).toBeInstanceOf(PictureRefused);
  });

  it.each<[string, string]>([
    ['zTXt', 'Comment\0\0'],
    ['iTXt', 'Comment\0\x01\0\0\0'],
    ['iCCP', 'icc\0\0'],
  ])('is not unpacked when its chunk %s holds 250 MB', async (type, beginning) => {
    const processes = open({ maximumMemoryBytes: 240_000_000 });
    bomb ??= deflateSync(Buffer.alloc(250_000_000), { level: 1 });
    expect(at(await processes.prepare(await pngWith(type, Buffer.concat([Buffer.from(beginning, 'latin1'), bomb])), dinov2, 0), 3, 3)).toEqual([200, 100, 50]);
    expect(processes.processIds).toHaveLength(1);
  });
});

describe('a killed process', () => {
  it('costs the picture in work, and the next one is prepared by a new process', async () => {
    const processes = open();
    const small = await plain(300, 300);
    await processes.prepare(small, dinov2, 0);
    const [first] = processes.processIds;

    const inWork = refusal(processes, await plain(6_000, 6_000));
    process.kill(first, 'SIGKILL');
    expect(await inWork).toBeInstanceOf(PictureRefused);
    expect(at(await processes.prepare(small, dinov2, 0), 3, 3)).toEqual([200, 100, 50]);
    expect(processes.processIds).not.toContain(first);
  });

  it('is killed by its caller’s signal', async () => {
    const processes = open();
    const giveUp = new AbortController();
    const inWork = processes.prepare(await plain(6_000, 6_000), dinov2, 0, giveUp.signal);
    await expect.poll(() => processes.processIds.length).toBe(1);
    giveUp.abort(new Error('no longer wanted'));
    await expect(inWork).rejects.toThrow('no longer wanted');
  });

  it('leaves nothing behind when closed', async () => {
    const processes = open({ processes: 2 });
    const small = await plain(300, 300);
    await Promise.all([processes.prepare(small, dinov2, 0), processes.prepare(small, dinov2, 1)]);
    const ids = processes.processIds;
    await processes.close();
    for (const id of ids) expect(() => process.kill(id, 0)).toThrow('ESRCH');
    await expect(processes.prepare(small, dinov2, 0)).rejects.toThrow(ModelNotReady);
  });
});

describe('drawing', () => {
  const map = { rows: 2, columns: 2, levels: Uint8Array.of(0, 0, 0, 255), framed: Uint8Array.of(0, 0, 0, 1) };

  it('lays a heat map over the upright picture, whatever its size and channels', async () => {
    const processes = open();
    const turned = await sharp({ create: { width: 100, height: 300, channels: 3, background: 'black' } }).jpeg().withMetadata({ orientation: 6 }).toBuffer();
    const grey = await sharp({ create: { width: 40, height: 20, channels: 3, background: 'black' } }).greyscale().png().toBuffer();
    for (const [file, width, height] of [[turned, 768, 256], [grey, 768, 384]] as const) {
      const drawing = await processes.draw(file, map, 0);
      expect([drawing.width, drawing.height]).toEqual([width, height]);
      const { data, info } = await sharp(drawing.png).raw().toBuffer({ resolveWithObject: true });
      expect([info.width, info.height, info.channels]).toEqual([width, height, 3]);
      const pixel = (x: number, y: number) => [...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)];
      expect(pixel(10, 10)).toEqual([34, 1, 42]);
      expect(pixel(width - 1, height - 1)).toEqual([255, 255, 255]);
      expect(pixel(Math.round(width * 0.75), Math.round(height * 0.75))).toEqual([127, 116, 19]);
    }
  });

  it('refuses what is no picture, and goes on', async () => {
    const processes = open();
    await expect(processes.draw(Buffer.from('hello'), map, 3)).rejects.toMatchObject({ index: 3 });
    expect((await processes.draw(await plain(8, 8), map, 0)).width).toBe(768);
  });
});
