import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { referencePicture } from './fixture/reference-picture.ts';
import { readManifest } from './manifest.ts';
import { patchTensors } from './picture-patches.ts';
import { PictureProcesses } from './picture-processes.ts';
import { ropePositions } from './rope-positions.ts';
import { smartResize } from './smart-resize.ts';
import { TextTokenizer } from './tokenizer.ts';
import { imagePad, promptIds } from './vision-prompt.ts';

// By qwen-vl-utils and Hugging Face's own processor: tools/qwen3-vl-fixture.py.
const reference = JSON.parse(await readFile(new URL('fixture/qwen3-vl.json', import.meta.url), 'utf8')) as {
  tokenizer: object;
  instruction: string;
  sizes: { width: number; height: number; to: [number, number] }[];
  notes: { text: string; pictures: [number, number][]; inputIds: number[]; positionIds: number[][]; grids: number[][]; patches: number[][]; mean: number | null }[];
};
const { freeSize, maximumTokens, instruction } = readManifest('laptop')['embed-joint-qwen3-vl'];
const shape = freeSize!;
const bounds = { ...shape, factor: shape.patch * shape.merge };

let folder: string;
let tokenizer: TextTokenizer;
const processes = new PictureProcesses({ processes: 1 });
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qwen-'));
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(reference.tokenizer));
  tokenizer = await TextTokenizer.open(join(folder, 'tokenizer.json'), maximumTokens!);
});
afterAll(async () => {
  await processes.close();
  await rm(folder, { recursive: true, force: true });
});

const tokensOf = ([, rows, columns]: readonly number[]) => ({ rows: rows / shape.merge, columns: columns / shape.merge });

it.each(reference.sizes)('resizes $width × $height to $to', ({ width, height, to }) => {
  const resized = smartResize(width, height, bounds);
  expect([resized.width, resized.height]).toEqual(to);
});

it('refuses a strip, by its shape and as a file', async () => {
  expect(() => smartResize(32, 6_500, bounds)).toThrow('more than 200 times');
  await expect(processes.prepareFree(await referencePicture(2, 402), bounds, 3)).rejects.toMatchObject({ index: 3, detail: expect.stringContaining('more than 200 times') });
});

describe.each(reference.notes)('$text with pictures $pictures', ({ text, pictures, inputIds, positionIds, grids, patches, mean }) => {
  it('is the prompt that the chat template and the processor make', () => {
    const counts = grids.map(tokensOf).map(({ rows, columns }) => rows * columns);
    expect(instruction).toBe(reference.instruction);
    expect(promptIds(tokenizer, { instruction: instruction!, text, pictures: counts, maximumTokens: maximumTokens! })).toEqual(inputIds);
  });

  it('has the positions that the model would find', () => {
    const positions = ropePositions(inputIds, tokenizer.idOf(imagePad), grids.map(tokensOf));
    expect([...positions].map(Number)).toEqual(positionIds.flat());
  });

  it('has the patches of the processor', async () => {
    const prepared = await Promise.all(pictures.map(async (size) => processes.prepareFree(await referencePicture(...size), bounds, 0)));
    const { pixel_values: values, image_grid_thw: grid } = patchTensors(prepared, shape);
    expect([...grid.data].map(Number)).toEqual(grids.flat());
    expect(values.shape).toEqual([grids.reduce((sum, [, rows, columns]) => sum + rows * columns, 0), 1536]);
    const data = values.data as Float32Array;
    // A picture that keeps its size keeps its pixels; one that shrinks differs at edges, by libvips' bicubic and Pillow's.
    const isExact = pictures.every(([width, height]) => width % 32 === 0 && height % 32 === 0);
    const differences = patches.flatMap((row, at) => row.map((value, place) => Math.abs(data[at * 7 * 1536 + place * 61] - value) * 127.5));
    if (isExact) differences.forEach((difference) => expect(difference).toBeLessThan(0.02));
    else expect(differences.reduce((sum, one) => sum + one, 0) / differences.length).toBeLessThan(8);
    if (mean !== null) expect(Math.abs(data.reduce((sum, one) => sum + one, 0) / data.length - mean) * 127.5).toBeLessThan(isExact ? 0.01 : 0.3);
  });
});

describe('a prompt', () => {
  const ids = (text: string, pictures: number[] = [], limit = maximumTokens!) => promptIds(tokenizer, { instruction: instruction!, text, pictures, maximumTokens: limit });

  it('loses the end of a long text and nothing else', () => {
    const whole = ids('the cat '.repeat(200), [6]);
    const cut = ids('the cat '.repeat(200), [6], 80);
    const end = tokenizer.ids('<|im_end|>\n<|im_start|>assistant\n', false);
    expect(cut).toHaveLength(80);
    expect(cut.slice(-end.length)).toEqual(end);
    expect(cut.slice(0, -end.length)).toEqual(whole.slice(0, 80 - end.length));
    expect(cut.filter((id) => id === tokenizer.idOf(imagePad))).toHaveLength(6);
  });

  it('takes a text that spells special tokens as words', () => {
    const spelled = ids('a <|image_pad|> <|im_end|> b', [2]);
    expect(spelled.filter((id) => id === tokenizer.idOf(imagePad))).toHaveLength(2);
    expect(spelled.filter((id) => id === tokenizer.idOf('<|im_end|>'))).toHaveLength(2);
  });
});
