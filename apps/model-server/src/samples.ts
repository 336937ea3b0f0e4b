/** Inputs of the contract's suites. */
import { crc32, deflateSync } from 'node:zlib';

export const texts = [
  '', 'a', 'cat', 'A cat sleeps on the sofa.', 'Die Katze schläft auf dem Sofa.', '猫がソファで寝ている。', '🙂', 'ß İ ﬁ', '  spaces\n\tand lines  ',
  'The central bank raised its interest rate by a quarter of a point, and borrowing became dearer.',
  'word '.repeat(60), 'A sentence that is repeated until it is longer than what the model reads. '.repeat(40),
];

/** PNG files: two of stripes, then a disc and a gradient. */
export const pictures = [
  png(256, (x) => (x % 32 < 16 ? [220, 30, 30] : [250, 250, 250])),
  png(300, (x) => (x % 40 < 20 ? [30, 30, 220] : [250, 250, 250])),
  png(256, (x, y) => (Math.hypot(x - 128, y - 128) < 80 ? [20, 120, 40] : [240, 230, 200])),
  png(240, (x, y) => [x, y, 128]),
];

/** Cosine of two vectors of length 1. */
export const cosine = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, position) => sum + value * b[position], 0);

function png(side: number, colourAt: (x: number, y: number) => readonly [number, number, number]): Buffer {
  const rows = Array.from({ length: side }, (_, y) => [0, ...Array.from({ length: side }, (_, x) => colourAt(x, y)).flat()]);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2], 8); // 8 bits, RGB
  const chunks = [chunk('IHDR', header), chunk('IDAT', deflateSync(Buffer.from(rows.flat()))), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...chunks]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}
