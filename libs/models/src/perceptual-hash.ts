/**
 * PDQ, Meta's perceptual hash of pictures, written from its description: "The TMK+PDQF Video-Hashing Algorithm and the PDQ
 * Image-Hashing Algorithm" (hashing.pdf, 2019), section on PDQ. Pictures are copies of each other when their hashes differ in
 * at most 31 of 256 bits; hashes of quality 49 and less say nothing.
 */
export interface PerceptualHash {
  /** 32 bytes, the last coefficient's bit first: in hexadecimal as Meta's tools print it. */
  readonly hash: Uint8Array;
  /** 0 to 100: how much there is to see in the picture. */
  readonly quality: number;
}

/** Pictures are halved to 64 × 64 before the transform, which keeps 16 × 16 coefficients. */
const side = 64;
const kept = 16;
const passes = 2;
/** A picture with a shorter side has no hash: zeros, of quality 0. */
const smallest = 5;

/** Rows 1 to 16 of the 64-point DCT; row 0, the mean, is left out. */
const cosines = Float64Array.from({ length: kept * side }, (_, index) => {
  const [row, column] = [Math.floor(index / side) + 1, index % side];
  return Math.sqrt(2 / side) * Math.cos((Math.PI / (2 * side)) * row * (2 * column + 1));
});

/**
 * @param pixels RGB, [height, width, 3]; the description has pictures brought to at most 512 × 512 before.
 * @throws RangeError when the size is not that of the pixels.
 */
export function perceptualHash(pixels: Uint8Array, width: number, height: number): PerceptualHash {
  if (width < 1 || height < 1 || pixels.length !== width * height * 3) throw new RangeError(`pixels: expected ${width} × ${height} × 3 bytes, got ${pixels.length}`);
  if (Math.min(width, height) < smallest) return { hash: new Uint8Array(32), quality: 0 };
  let plane = new Float64Array(width * height);
  for (let at = 0; at < plane.length; at++) plane[at] = 0.299 * pixels[3 * at] + 0.587 * pixels[3 * at + 1] + 0.114 * pixels[3 * at + 2];
  for (let pass = 0; pass < passes; pass++) {
    plane = boxFiltered(plane, { lines: height, length: width, lineStep: width, step: 1 });
    plane = boxFiltered(plane, { lines: width, length: height, lineStep: 1, step: width });
  }
  const small = decimated(plane, width, height);
  return { hash: bitsAboveMedian(transformed(small)), quality: qualityOf(small) };
}

interface Lines {
  readonly lines: number;
  readonly length: number;
  readonly lineStep: number;
  readonly step: number;
}

/** Mean of a window along each line; at the ends, of what is left of it. Four such passes come close to a Gaussian (Jarosz). */
function boxFiltered(plane: Float64Array, { lines, length, lineStep, step }: Lines): Float64Array<ArrayBuffer> {
  const window = Math.ceil(length / (2 * side));
  const ahead = window >> 1;
  const behind = window - ahead; // the first that has left the window
  const out = new Float64Array(plane.length);
  for (let line = 0; line < lines; line++) {
    const start = line * lineStep;
    let sum = 0;
    let count = 0;
    for (let at = -ahead; at < length; at++) {
      if (at + ahead < length) {
        sum += plane[start + (at + ahead) * step];
        count++;
      }
      if (at - behind >= 0) {
        sum -= plane[start + (at - behind) * step];
        count--;
      }
      if (at >= 0) out[start + at * step] = sum / count;
    }
  }
  return out;
}

/** 64 × 64 samples, from the middles of as many equal cells. */
function decimated(plane: Float64Array, width: number, height: number): Float64Array {
  return Float64Array.from({ length: side * side }, (_, index) => {
    const y = Math.floor(((Math.floor(index / side) + 0.5) * height) / side);
    const x = Math.floor((((index % side) + 0.5) * width) / side);
    return plane[y * width + x];
  });
}

/** Sum of the differences of neighbours in whole hundredths of the range; 9,000 of them make a quality of 100. */
function qualityOf(small: Float64Array): number {
  let sum = 0;
  const add = (a: number, b: number) => (sum += Math.trunc((Math.abs(small[a] - small[b]) * 100) / 255));
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      if (y + 1 < side) add(y * side + x, (y + 1) * side + x);
      if (x + 1 < side) add(y * side + x, y * side + x + 1);
    }
  }
  return Math.min(100, Math.trunc(sum / 90));
}

/** D·A·Dᵀ, [16, 16]. */
function transformed(small: Float64Array): Float64Array {
  const half = new Float64Array(kept * side);
  for (let row = 0; row < kept; row++) {
    for (let x = 0; x < side; x++) {
      let sum = 0;
      for (let y = 0; y < side; y++) sum += cosines[row * side + y] * small[y * side + x];
      half[row * side + x] = sum;
    }
  }
  return Float64Array.from({ length: kept * kept }, (_, index) => {
    const [row, column] = [Math.floor(index / kept), index % kept];
    let sum = 0;
    for (let x = 0; x < side; x++) sum += half[row * side + x] * cosines[column * side + x];
    return sum;
  });
}

function bitsAboveMedian(coefficients: Float64Array): Uint8Array {
  const median = coefficients.toSorted()[coefficients.length / 2 - 1];
  const hash = new Uint8Array(coefficients.length / 8);
  coefficients.forEach((value, bit) => {
    if (value > median) hash[hash.length - 1 - (bit >> 3)] |= 1 << (bit & 7);
  });
  return hash;
}

/** Bits in which two hashes differ. */
export function hashDistance(a: Uint8Array, b: Uint8Array): number {
  let distance = 0;
  for (let at = 0; at < a.length; at++) for (let bits = a[at] ^ b[at]; bits !== 0; bits &= bits - 1) distance++;
  return distance;
}
