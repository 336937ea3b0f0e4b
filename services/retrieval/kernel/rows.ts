// AssemblyScript, for scan.ts: where a row lies, its products with a query, and bounds of four rows at once.
import { Coarse, Fine, Job } from './layout';

// @ts-ignore: decorator
@inline
export function sumLanes(a: v128): i32 {
  const pairs = i32x4.add(a, i8x16.shuffle(a, a, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  return i32x4.extract_lane(pairs, 0) + i32x4.extract_lane(pairs, 1);
}

// @ts-ignore: decorator
@inline
export function dot(values: v128, query: v128, sum: v128): v128 {
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(values, query, sum);
}

// @ts-ignore: decorator
@inline
export function rowAt(job: Job, position: u32): u32 {
  return job.list == 0 ? position : load<u32>(job.list + (<usize>position << 2));
}

/** A division would take longer than reading the row. */
// @ts-ignore: decorator
@inline
export function blockOf(job: Job, row: u32): u32 {
  return <u32>((<u64>row * job.perRow) >> 40);
}

// @ts-ignore: decorator
@inline
export function headOf(job: Job, block: u32, row: u32): usize {
  return <usize>load<u32>(job.blocks + (<usize>block << 2)) + <usize>(row - block * job.rowsPerBlock) * <usize>job.headStride;
}

// @ts-ignore: decorator
@inline
export function tailOf(job: Job, block: u32, row: u32): usize {
  return <usize>load<u32>(job.blocks + (<usize>block << 2)) + job.tails + <usize>(row - block * job.rowsPerBlock) * <usize>job.tailStride;
}

// @ts-ignore: decorator
@inline
export function coarseOf(job: Job, block: u32, row: u32): usize {
  return <usize>load<u32>(job.coarse + (<usize>block << 2)) + (<usize>(row - block * job.rowsPerBlock) << 4);
}

// @ts-ignore: decorator
@inline
export function fineOf(job: Job, block: u32, row: u32): usize {
  return <usize>load<u32>(job.fine + (<usize>block << 2)) + (<usize>(row - block * job.rowsPerBlock) << 3);
}

// @ts-ignore: decorator
@inline
export function product(values: usize, query: usize, width: usize, start: v128): v128 {
  let sum = start;
  for (let at: usize = 0; at < width; at += 16) sum = dot(v128.load(values + at), v128.load(query + at), sum);
  return sum;
}

/** Length of the quantised row, or a little more. */
// @ts-ignore: decorator
@inline
export function normOf(coarse: Coarse): f64 {
  return Math.sqrt(f64(coarse.norm) * f64(coarse.norm) + f64(coarse.tail) * f64(coarse.tail));
}

/** Four sums of four lanes each. */
// @ts-ignore: decorator
@inline
export function sumsOf(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 1, 4, 5), v128.shuffle<i32>(a, b, 2, 3, 6, 7));
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 1, 4, 5), v128.shuffle<i32>(c, d, 2, 3, 6, 7));
  return i32x4.add(v128.shuffle<i32>(ab, cd, 0, 2, 4, 6), v128.shuffle<i32>(ab, cd, 1, 3, 5, 7));
}

/** Products of four rows with the high plane: of their heads, and of their tails when `end` is beyond the head. */
// @ts-ignore: decorator
@inline
export function products(
  job: Job, end: usize,
  headA: usize, headB: usize, headC: usize, headD: usize,
  tailA: usize, tailB: usize, tailC: usize, tailD: usize,
): v128 {
  // Independent sums hide the latency of a product.
  let sumA = i32x4.splat(0), sumB = sumA, sumC = sumA, sumD = sumA;
  let a = headA, b = headB, c = headC, d = headD;
  let query = job.query;
  let until = query + <usize>job.head;
  while (true) {
    // Unrolled: counting and adding addresses took as long as the products.
    for (; query + 64 <= until; query += 64, a += 64, b += 64, c += 64, d += 64) {
      let high = v128.load(query);
      sumA = dot(v128.load(a), high, sumA);
      sumB = dot(v128.load(b), high, sumB);
      sumC = dot(v128.load(c), high, sumC);
      sumD = dot(v128.load(d), high, sumD);
      high = v128.load(query, 16);
      sumA = dot(v128.load(a, 16), high, sumA);
      sumB = dot(v128.load(b, 16), high, sumB);
      sumC = dot(v128.load(c, 16), high, sumC);
      sumD = dot(v128.load(d, 16), high, sumD);
      high = v128.load(query, 32);
      sumA = dot(v128.load(a, 32), high, sumA);
      sumB = dot(v128.load(b, 32), high, sumB);
      sumC = dot(v128.load(c, 32), high, sumC);
      sumD = dot(v128.load(d, 32), high, sumD);
      high = v128.load(query, 48);
      sumA = dot(v128.load(a, 48), high, sumA);
      sumB = dot(v128.load(b, 48), high, sumB);
      sumC = dot(v128.load(c, 48), high, sumC);
      sumD = dot(v128.load(d, 48), high, sumD);
    }
    for (; query < until; query += 16, a += 16, b += 16, c += 16, d += 16) {
      const high = v128.load(query);
      sumA = dot(v128.load(a), high, sumA);
      sumB = dot(v128.load(b), high, sumB);
      sumC = dot(v128.load(c), high, sumC);
      sumD = dot(v128.load(d), high, sumD);
    }
    if (until == end) break;
    a = tailA;
    b = tailB;
    c = tailC;
    d = tailD;
    until = end;
  }
  return sumsOf(sumA, sumB, sumC, sumD);
}

/** 128 times the sum of the high plane, less what the offset and 63.5 for each low byte add. */
// @ts-ignore: decorator
@inline
export function centred(high: v128, sums: v128): v128 {
  return f32x4.sub(f32x4.mul(f32x4.splat(128.0), f32x4.convert_i32x4_s(high)), f32x4.mul(f32x4.splat(8128.5), f32x4.convert_i32x4_s(sums)));
}

/**
 * Bounds of four rows from their heads, in float32, by the factors of the job in all lanes; the first two are its `headScale` times what
 * `centred` multiplies with. A machine may round a product before it is added or not: the slack has room for both. What is no number rules
 * nothing out, so it becomes Infinity.
 */
// @ts-ignore: decorator
@inline
export function headBounds(a: v128, b: v128, c: v128, d: v128, high: v128, highScale: v128, sumScale: v128, slack: v128, error: v128, tailNorm: v128): v128 {
  const scaleNormAB = v128.shuffle<i32>(a, b, 0, 4, 1, 5), scaleNormCD = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const tailSumAB = v128.shuffle<i32>(a, b, 2, 6, 3, 7), tailSumCD = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  const scale = v128.shuffle<i32>(scaleNormAB, scaleNormCD, 0, 1, 4, 5);
  const norm = v128.shuffle<i32>(scaleNormAB, scaleNormCD, 2, 3, 6, 7);
  const tail = v128.shuffle<i32>(tailSumAB, tailSumCD, 0, 1, 4, 5);
  const sums = f32x4.convert_i32x4_s(v128.shuffle<i32>(tailSumAB, tailSumCD, 2, 3, 6, 7));
  const product = f32x4.relaxed_nmadd(sums, sumScale, f32x4.relaxed_madd(f32x4.convert_i32x4_s(high), highScale, slack));
  const bounds = f32x4.relaxed_madd(scale, product, f32x4.relaxed_madd(norm, error, f32x4.mul(tail, tailNorm)));
  return f32x4.pmin(f32x4.splat(Infinity), bounds);
}

/** Bounds of four rows from all values of the high plane, in float32. */
// @ts-ignore: decorator
@inline
export function wholeBounds(job: Job, a: v128, b: v128, c: v128, d: v128, fineAB: v128, fineCD: v128, high: v128): v128 {
  const scaleNormAB = v128.shuffle<i32>(a, b, 0, 4, 1, 5), scaleNormCD = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const scale = v128.shuffle<i32>(scaleNormAB, scaleNormCD, 0, 1, 4, 5);
  const head = v128.shuffle<i32>(scaleNormAB, scaleNormCD, 2, 3, 6, 7);
  const tail = v128.shuffle<i32>(v128.shuffle<i32>(a, b, 2, 6, 2, 6), v128.shuffle<i32>(c, d, 2, 6, 2, 6), 0, 1, 4, 5);
  const norm = f32x4.sqrt(f32x4.add(f32x4.mul(head, head), f32x4.mul(tail, tail)));
  const residual = v128.shuffle<i32>(fineAB, fineCD, 0, 2, 4, 6);
  const product = centred(high, v128.shuffle<i32>(fineAB, fineCD, 1, 3, 5, 7));
  const row = f32x4.mul(scale, f32x4.add(f32x4.mul(f32x4.splat(job.headScale), product), f32x4.splat(job.wholeSlack)));
  return f32x4.add(f32x4.add(row, f32x4.mul(f32x4.splat(job.wholeNorm), residual)), f32x4.mul(f32x4.splat(job.wholeError), norm));
}
