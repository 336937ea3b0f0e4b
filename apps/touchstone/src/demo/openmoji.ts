import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ConfigurationError } from '@touchstone/runtime/config';

/** One entry of openmoji's `data/openmoji.json`, as far as it is used here. */
export interface Openmoji {
  readonly hexcode: string;
  readonly group: string;
  readonly subgroups: string;
  /** Its English name. */
  readonly annotation: string;
  readonly skintone: string;
}

/** A picture of the sample collection. */
export interface SamplePicture {
  /** Slug of the name. */
  readonly id: string;
  readonly title: string;
  readonly hexcode: string;
  readonly attributes: { readonly kind: 'picture'; readonly group: string; readonly subgroup: string };
}

/** Whole subgroups, so that similar pictures are there to be found. */
export const sampleSubgroups: Readonly<Record<string, readonly string[]>> = {
  'food-drink': ['food-fruit', 'food-vegetable', 'food-prepared', 'food-sweet', 'drink'],
  'animals-nature': ['animal-mammal', 'animal-bird', 'animal-marine', 'animal-bug', 'plant-flower'],
  'travel-places': ['place-geographic', 'transport-water', 'transport-air'],
  objects: ['musical-instrument', 'tool'],
  activities: ['sport'],
};

const pictureSize = 224;

/** The pictures of `sampleSubgroups`, in the catalogue's order; skin tones are left out. */
export function samplePictures(catalogue: readonly Openmoji[]): SamplePicture[] {
  return catalogue
    .filter(({ group, subgroups, skintone }) => skintone === '' && sampleSubgroups[group]?.includes(subgroups))
    .map(({ annotation, hexcode, group, subgroups }) => ({
      id: slug(annotation),
      title: annotation,
      hexcode,
      attributes: { kind: 'picture', group, subgroup: subgroups },
    }));
}

/** `Piñata!` becomes `pinata`: lower case letters and digits, joined by hyphens. */
export function slug(name: string): string {
  const plain = name.normalize('NFKD').replace(/[\p{Mark}'’]/gu, '').toLowerCase();
  return plain.replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');
}

/** The drawings of OpenMoji (openmoji.org, CC BY-SA 4.0), read from its npm package. */
export class OpenmojiPackage {
  private constructor(private readonly folder: string) {}

  /** @throws ConfigurationError where the package is not installed, as in the image. */
  static find(from = import.meta.url): OpenmojiPackage {
    try {
      return new OpenmojiPackage(dirname(createRequire(from).resolve('openmoji/package.json')));
    } catch (error) {
      throw new ConfigurationError(
        'The sample pictures are not here: the package openmoji is only in a checkout, not in the image. ' +
          'Clone the repository, run `npm ci`, and run the demo there; TOUCHSTONE_URL may point to any platform.',
        { cause: error },
      );
    }
  }

  async catalogue(): Promise<Openmoji[]> {
    return JSON.parse(await readFile(join(this.folder, 'data', 'openmoji.json'), 'utf8'));
  }

  /** PNG on white, 224 pixels wide and high. */
  async drawing(hexcode: string): Promise<Buffer> {
    return (await this.rasterised(hexcode, 'color')).png().toBuffer();
  }

  /** JPEG of the same drawing, the other way round: the copy that somebody took and changed. */
  async mirrored(hexcode: string): Promise<Buffer> {
    return (await this.rasterised(hexcode, 'color')).flop().jpeg({ quality: 60 }).toBuffer();
  }

  /** PNG of the same drawing without its colours, as black outlines. */
  async outlines(hexcode: string): Promise<Buffer> {
    return (await this.rasterised(hexcode, 'black')).png().toBuffer();
  }

  private async rasterised(hexcode: string, variant: 'color' | 'black') {
    // Loaded here, because the program that serves has no use for it.
    const { default: sharp } = await import('sharp');
    const svg = await readFile(join(this.folder, variant, 'svg', `${hexcode}.svg`));
    // OpenMoji draws on 72 units, which are 72 pixels at 72 dpi.
    return sharp(svg, { density: pictureSize }).resize(pictureSize, pictureSize).flatten({ background: 'white' });
  }
}
