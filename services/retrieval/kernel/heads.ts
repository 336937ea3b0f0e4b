// AssemblyScript, for scan.ts: the bounds of rows from their heads.
import { Job } from './layout';
import { blockOf, coarseOf, dot, headBounds, headOf, products, rowAt, sumsOf } from './rows';

/** Products of the heads of four rows. The usual head has 64 values, and the query then stays in registers. */
// @ts-ignore: decorator
@inline
function headProducts(job: Job, isUsual: bool, q0: v128, q1: v128, q2: v128, q3: v128, a: usize, b: usize, c: usize, d: usize): v128 {
  if (!isUsual) return products(job, job.query + <usize>job.head, a, b, c, d, 0, 0, 0, 0);
  let sumA = dot(v128.load(a), q0, i32x4.splat(0));
  let sumB = dot(v128.load(b), q0, i32x4.splat(0));
  let sumC = dot(v128.load(c), q0, i32x4.splat(0));
  let sumD = dot(v128.load(d), q0, i32x4.splat(0));
  sumA = dot(v128.load(a, 16), q1, sumA);
  sumB = dot(v128.load(b, 16), q1, sumB);
  sumC = dot(v128.load(c, 16), q1, sumC);
  sumD = dot(v128.load(d, 16), q1, sumD);
  sumA = dot(v128.load(a, 32), q2, sumA);
  sumB = dot(v128.load(b, 32), q2, sumB);
  sumC = dot(v128.load(c, 32), q2, sumC);
  sumD = dot(v128.load(d, 32), q2, sumD);
  sumA = dot(v128.load(a, 48), q3, sumA);
  sumB = dot(v128.load(b, 48), q3, sumB);
  sumC = dot(v128.load(c, 48), q3, sumC);
  sumD = dot(v128.load(d, 48), q3, sumD);
  return sumsOf(sumA, sumB, sumC, sumD);
}

/** Writes the bounds of the heads from `from` to `to`; up to three places more may be written. */
export function boundHeads(job: Job, from: u32, to: u32, bounds: usize): void {
  const isUsual = job.head == 64;
  const q0 = v128.load(job.query), q1 = v128.load(job.query, 16), q2 = v128.load(job.query, 32), q3 = v128.load(job.query, 48);
  const highScale = f32x4.splat(128.0 * job.headScale), sumScale = f32x4.splat(8128.5 * job.headScale);
  const slack = f32x4.splat(job.headSlack), error = f32x4.splat(job.headError), tailNorm = f32x4.splat(job.tailNorm);
  const h: usize = job.headStride;
  let place = bounds;
  let at = from;
  while (at < to) {
    const first = rowAt(job, at);
    const block = blockOf(job, first);
    const end = (block + 1) * job.rowsPerBlock;
    if (job.list == 0) {
      const last = min(to, end);
      let head = headOf(job, block, first), coarse = coarseOf(job, block, first);
      for (; at + 4 <= last; at += 4, place += 16, head += 4 * h, coarse += 64) {
        const high = headProducts(job, isUsual, q0, q1, q2, q3, head, head + h, head + 2 * h, head + 3 * h);
        v128.store(place, headBounds(v128.load(coarse), v128.load(coarse, 16), v128.load(coarse, 32), v128.load(coarse, 48), high, highScale, sumScale, slack, error, tailNorm));
      }
      if (at == last) continue;
    }
    // Rows of one block or of several.
    const heads = headOf(job, block, 0), coarses = coarseOf(job, block, 0);
    do {
      const a = rowAt(job, at), b = rowAt(job, min(at + 1, to - 1)), c = rowAt(job, min(at + 2, to - 1)), d = rowAt(job, min(at + 3, to - 1));
      let headA = heads + a * h, headB = heads + b * h, headC = heads + c * h, headD = heads + d * h;
      let coarseA = coarses + (a << 4), coarseB = coarses + (b << 4), coarseC = coarses + (c << 4), coarseD = coarses + (d << 4);
      if (d >= end) {
        const blockA = blockOf(job, a), blockB = blockOf(job, b), blockC = blockOf(job, c), blockD = blockOf(job, d);
        headA = headOf(job, blockA, a), headB = headOf(job, blockB, b), headC = headOf(job, blockC, c), headD = headOf(job, blockD, d);
        coarseA = coarseOf(job, blockA, a), coarseB = coarseOf(job, blockB, b), coarseC = coarseOf(job, blockC, c), coarseD = coarseOf(job, blockD, d);
      }
      const high = headProducts(job, isUsual, q0, q1, q2, q3, headA, headB, headC, headD);
      v128.store(place, headBounds(v128.load(coarseA), v128.load(coarseB), v128.load(coarseC), v128.load(coarseD), high, highScale, sumScale, slack, error, tailNorm));
      at += 4;
      place += 16;
      if (d >= end) break;
    } while (at < to);
  }
}

/** Heads whose highest bound is kept. */
// @ts-ignore: decorator
@inline
export const group: u32 = 64;

/** Writes the highest of each group of bounds. */
export function boundGroups(bounds: usize, highest: usize, groups: u32): void {
  let from = bounds;
  for (let index: u32 = 0; index < groups; index++, from += <usize>group << 2) {
    let high = v128.load(from);
    for (let at: usize = 16; at < <usize>group << 2; at += 16) high = f32x4.pmax(high, v128.load(from + at));
    high = f32x4.pmax(high, v128.shuffle<i32>(high, high, 2, 3, 0, 1));
    high = f32x4.pmax(high, v128.shuffle<i32>(high, high, 1, 0, 3, 2));
    store<f32>(highest + (<usize>index << 2), f32x4.extract_lane(high, 0));
  }
}
