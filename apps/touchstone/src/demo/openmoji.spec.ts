import sharp from 'sharp';
import { expect, it } from 'vitest';
import { type Openmoji, OpenmojiPackage, samplePictures, sampleSubgroups, slug } from './openmoji.ts';
import { sampleTexts } from './sample-texts.ts';

const openmoji = OpenmojiPackage.find();
const catalogue = await openmoji.catalogue();
const pictures = samplePictures(catalogue);

it('says in words where the package is not installed', () => {
  expect(() => OpenmojiPackage.find('file:///nowhere/demo.js')).toThrow(/openmoji is only in a checkout.*npm ci/);
});

it('finds each subgroup in the package, whole', () => {
  const wanted = Object.entries(sampleSubgroups).flatMap(([group, names]) => names.map((name) => `${group}/${name}`));
  const picked = Map.groupBy(pictures, ({ attributes }) => `${attributes.group}/${attributes.subgroup}`);

  expect([...picked.keys()].toSorted()).toEqual(wanted.toSorted());
  expect(picked.get('food-drink/drink')).toHaveLength(20);
  expect(pictures.length).toBeGreaterThanOrEqual(250);
  expect(pictures.length).toBeLessThanOrEqual(400);
});

it('gives each picture an id that the API takes and that no other picture or text has', () => {
  const ids = [...pictures, ...sampleTexts].map(({ id }) => id);

  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$/);
});

it('leaves out skin tones and other groups', () => {
  const ball: Openmoji = { hexcode: '26BD', group: 'activities', subgroups: 'sport', annotation: 'soccer ball', skintone: '' };
  const toned = { ...ball, hexcode: '26BE', annotation: 'player: dark skin tone', skintone: '5' };
  const flag = { ...ball, hexcode: '1F3F3', group: 'flags', annotation: 'white flag' };

  expect(samplePictures([toned, ball, flag])).toEqual([
    { id: 'soccer-ball', title: 'soccer ball', hexcode: '26BD', attributes: { kind: 'picture', group: 'activities', subgroup: 'sport' } },
  ]);
});

it.each([
  ['Mount Fuji', 'mount-fuji'],
  ['piñata', 'pinata'],
  ['1st place medal', '1st-place-medal'],
  ['woman’s hat!', 'womans-hat'],
  ['keycap: #', 'keycap'],
])('%s becomes %s', (name, expected) => expect(slug(name)).toBe(expected));

it.each(['drawing', 'mirrored', 'outlines'] as const)('rasterises a %s to 224 by 224 pixels on white', async (variant) => {
  const { hexcode } = pictures.find(({ id }) => id === 'dolphin')!;
  const { data, info } = await sharp(await openmoji[variant](hexcode)).removeAlpha().raw().toBuffer({ resolveWithObject: true });

  expect([info.width, info.height]).toEqual([224, 224]);
  expect(Math.min(...data.subarray(0, 3))).toBeGreaterThan(250); // the corner
  expect(data.filter((value) => value < 100).length).toBeGreaterThan(1_000); // the drawing
});

it('mirrors from left to right', async () => {
  const { hexcode } = pictures.find(({ id }) => id === 'dolphin')!;
  const pixels = (picture: Buffer) => sharp(picture).greyscale().raw().toBuffer();
  const original = await pixels(await openmoji.drawing(hexcode));
  const turnedBack = await pixels(await sharp(await openmoji.mirrored(hexcode)).flop().toBuffer());
  const apart = original.filter((value, index) => Math.abs(value - turnedBack[index]!) > 64).length;

  expect(apart / original.length).toBeLessThan(0.01);
});
