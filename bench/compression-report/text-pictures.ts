/** Pictures of text, drawn from a seed with letters of 5 × 7 dots, so that they are the same on a machine with other fonts. */
import sharp from 'sharp';
import { type Picture, side } from './encoder.ts';
import { pixels } from './pictures.ts';

/** Columns of dots, lowest bit above. */
const letters: Readonly<Record<string, readonly number[]>> = Object.fromEntries(
  Object.entries({
    0: '3E5149453E', 1: '00427F4000', 2: '4261514946', 3: '2141454B31', 4: '1814127F10', 5: '2745454539', 6: '3C4A494930', 7: '0171090503', 8: '3649494936', 9: '064949291E',
    A: '7E1111117E', B: '7F49494936', C: '3E41414122', D: '7F4141221C', E: '7F49494941', F: '7F09090901', G: '3E4149497A', H: '7F0808087F', I: '00417F4100', J: '2040413F01', K: '7F08142241', L: '7F40404040', M: '7F020C027F',
    N: '7F0408107F', O: '3E4141413E', P: '7F09090906', Q: '3E4151215E', R: '7F09192946', S: '4649494931', T: '01017F0101', U: '3F4040403F', V: '1F2040201F', W: '3F4038403F', X: '6314081463', Y: '0708700807', Z: '6151494543',
    a: '2054545478', b: '7F48444438', c: '3844444420', d: '384444487F', e: '3854545418', f: '087E090102', g: '0C5252523E', h: '7F08040478', i: '00447D4000', j: '2040443D00', k: '7F10284400', l: '00417F4000', m: '7C04180478',
    n: '7C08040478', o: '3844444438', p: '7C14141408', q: '081414187C', r: '7C08040408', s: '4854545420', t: '043F444020', u: '3C4040207C', v: '1C2040201C', w: '3C4030403C', x: '4428102844', y: '0C5050503C', z: '4464544C44',
    '.': '0060600000', ',': '0050300000', '-': '0808080808', ':': '0036360000', ' ': '0000000000',
  }).map(([letter, columns]) => [letter, columns.match(/../g)!.map((column) => Number.parseInt(column, 16))]),
);

const words =
  'the of and to in for is on that with this be from are as at by have not you his was but they she which we an or were all will there what their can out if up about who get go when make like time no just know take people into year your good some could them see other than then now look only come its over think also back after use two how our work first well way even new want because any these give day most us river market price house light paper train green stone water table engine window garden letter number'.split(' ');

const sharpness = 4;
const canvasSide = pixels * sharpness;

interface Canvas {
  readonly rgb: Uint8Array;
  /** 1 where a letter's dot is. */
  readonly ink: Uint8Array;
}

type Colour = readonly [number, number, number];
type Random = () => number;

export interface TextPicture extends Picture {
  readonly mask: Uint8Array;
}

/** Kinds of text-rich pictures; `sign` puts a few words on a photo, whose pixels it takes. */
export const textKinds = ['page', 'table', 'screenshot', 'sign'] as const;
export type TextKind = (typeof textKinds)[number];

export async function textPicture(kind: TextKind, random: Random, photo: Uint8Array): Promise<TextPicture> {
  const canvas: Canvas = { rgb: new Uint8Array(canvasSide ** 2 * 3).fill(250), ink: new Uint8Array(canvasSide ** 2) };
  if (kind === 'sign') canvas.rgb.set(await sharp(photo, { raw: { width: pixels, height: pixels, channels: 3 } }).resize(canvasSide, canvasSide).raw().toBuffer());
  ({ page, table, screenshot, sign })[kind](canvas, random);
  const small = await sharp(canvas.rgb, { raw: { width: canvasSide, height: canvasSide, channels: 3 } }).resize(pixels, pixels).raw().toBuffer();
  return { rows: side, columns: side, pixels: small, mask: shrunk(canvas.ink) };
}

/** A patch is one of text when letters' dots cover at least this share of it. */
export const leastInk = 0.06;

const word = (random: Random) => words[Math.floor(random() * words.length)];
const number = (random: Random) => `${Math.floor(random() * 900) + 10}.${Math.floor(random() * 10)}`;
const black: Colour = [20, 20, 20];

/** A heading and lines of text, ragged on the right. */
function page(canvas: Canvas, random: Random): void {
  write(canvas, 50, 50, `${capital(word(random))} ${word(random)} ${word(random)}`, 8, black);
  for (let y = 150; y < canvasSide - 60; y += 52) {
    let line = '';
    while (line.length < 24) line += `${word(random)} `;
    write(canvas, 50, y, line.slice(0, 32), 4, black);
  }
}

/** Ruled, with words in the first column and numbers in the others; rows on the lower side are empty. */
function table(canvas: Canvas, random: Random): void {
  const rows = 6 + Math.floor(random() * 5);
  const [left, top, height] = [40, 60, 64];
  const stops = [0, 300, 480, 660, 816];
  for (let row = 0; row <= rows; row++) fill(canvas, left, top + row * height, stops.at(-1)!, 3, [120, 120, 120]);
  for (const stop of stops) fill(canvas, left + stop, top, 3, rows * height, [120, 120, 120]);
  fill(canvas, left, top, stops.at(-1)!, height, [215, 225, 240]);
  for (let row = 0; row < rows; row++) {
    write(canvas, left + 16, top + row * height + 20, capital(word(random)), 4, black);
    for (const stop of stops.slice(1, -1)) write(canvas, left + stop + 16, top + row * height + 20, row === 0 ? capital(word(random)).slice(0, 5) : number(random), 4, black);
  }
}

/** A window: a bar with its title, a list at the side, a few lines, a button. */
function screenshot(canvas: Canvas, random: Random): void {
  fill(canvas, 0, 0, canvasSide, 70, [40, 70, 130]);
  write(canvas, 30, 18, `${capital(word(random))} ${word(random)}`, 5, [240, 240, 240]);
  fill(canvas, 0, 70, 220, canvasSide - 70, [225, 228, 232]);
  for (let item = 0; item < 7; item++) write(canvas, 24, 110 + item * 70, capital(word(random)), 4, black);
  for (let line = 0; line < 4 + Math.floor(random() * 4); line++) write(canvas, 260, 120 + line * 56, `${word(random)} ${word(random)} ${word(random)} ${word(random)}`.slice(0, 24), 4, black);
  fill(canvas, 640, 780, 200, 64, [30, 120, 70]);
  write(canvas, 672, 796, capital(word(random)).slice(0, 6), 5, [250, 250, 250]);
}

/** Two or three words on a plate. */
function sign(canvas: Canvas, random: Random): void {
  const lines = Array.from({ length: 2 + Math.floor(random() * 2) }, () => word(random).toUpperCase());
  const scale = 8;
  const [width, height] = [Math.max(...lines.map((line) => line.length)) * 6 * scale + 60, lines.length * 9 * scale + 50];
  const [left, top] = [Math.floor(random() * (canvasSide - width)), Math.floor(random() * (canvasSide - height))];
  fill(canvas, left, top, width, height, [245, 245, 235]);
  lines.forEach((line, row) => write(canvas, left + 30, top + 30 + row * 9 * scale, line, scale, [150, 20, 20]));
}

const capital = (text: string) => text[0].toUpperCase() + text.slice(1);

function write(canvas: Canvas, left: number, top: number, text: string, scale: number, colour: Colour): void {
  [...text].forEach((letter, place) =>
    letters[letter].forEach((column, x) => {
      for (let y = 0; y < 7; y++) if ((column >> y) & 1) fill(canvas, left + (place * 6 + x) * scale, top + y * scale, scale, scale, colour, true);
    }),
  );
}

function fill({ rgb, ink }: Canvas, left: number, top: number, width: number, height: number, colour: Colour, isInk = false): void {
  for (let y = Math.max(0, top); y < Math.min(canvasSide, top + height); y++) {
    for (let x = Math.max(0, left); x < Math.min(canvasSide, left + width); x++) {
      colour.forEach((value, channel) => (rgb[(y * canvasSide + x) * 3 + channel] = value));
      if (isInk) ink[y * canvasSide + x] = 1;
    }
  }
}

/** 1 where a letter's dot covers any of the pixel: strokes are thinner than pixels. */
function shrunk(ink: Uint8Array): Uint8Array {
  const mask = new Uint8Array(pixels * pixels);
  for (let at = 0; at < ink.length; at++) if (ink[at]) mask[Math.floor(at / canvasSide / sharpness) * pixels + Math.floor((at % canvasSide) / sharpness)] = 1;
  return mask;
}
