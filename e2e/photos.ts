import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import sharp from 'sharp';

/** Real photos when the data sets are there (`TOUCHSTONE_DATASETS`), else the pictures of openmoji that npm brings. */
async function pictureFiles(): Promise<string[]> {
  const photos = join(process.env.TOUCHSTONE_DATASETS ?? '', 'photos');
  const isThere = process.env.TOUCHSTONE_DATASETS && existsSync(photos);
  const folder = isThere ? photos : join(dirname(createRequire(import.meta.url).resolve('openmoji/package.json')), 'color/svg');
  const names = (await readdir(folder)).filter((name) => /\.(jpg|svg)$/.test(name)).sort();
  const step = isThere ? 1 : 97;
  return names.filter((_, index) => index % step === 0).map((name) => join(folder, name));
}

/** A picture as a JPEG file. */
export async function photoBytes(index: number): Promise<Buffer> {
  const file = (await pictureFiles())[index];
  if (file.endsWith('.jpg')) return readFile(file);
  return sharp(file, { density: 300 }).flatten({ background: 'white' }).resize(448).jpeg().toBuffer();
}

/** A picture as a request takes it. */
export async function photo(index: number): Promise<string> {
  return (await photoBytes(index)).toString('base64');
}

/** The same picture smaller and more strongly compressed: a near-duplicate. */
export async function photoVariant(index: number): Promise<string> {
  return (await sharp(await photoBytes(index)).resize(256).jpeg({ quality: 40 }).toBuffer()).toString('base64');
}
