// AssemblyScript, compiled to scan.wasm by `npm run wasm`. What the figures mean: ../src/index/quantisation.ts.
import { entry, Kept, rise, sink, sort } from './heap';
import { Coarse, Fine, Job } from './layout';
import { coarseOf, dot, fineOf, headBounds, headOf, normOf, product, sumLanes, sumsOf, tailOf, wholeBounds } from './rows';

/** A row is among the best when its bound is above it. */
let threshold: f64 = -Infinity;
/** A float32 that is not above the threshold, in all lanes. */
let least: v128 = f32x4.splat(-Infinity);
/** How many lower bounds there are. */
let lowerCount: u32 = 0;

// @ts-ignore: decorator
@inline
function raise(value: f64): void {
  threshold = value;
  least = f32x4.splat(f32(value - Math.abs(value) / 8388608.0 - 1e-38));
}

/** Keeps a row whose bound is above the threshold, which is then the largest of the least kept, the least lower bound, and before. */
function keep(job: Job, row: u32, bound: f64, lower: f64): void {
  if (job.count < job.capacity) rise(job.kept, job.count++, row, bound);
  else sink(job.kept, job.count, row, bound);
  if (job.count == job.capacity) raise(Math.max(threshold, entry(job.kept, 0).bound));

  if (lowerCount < job.wanted) rise(job.lowers, lowerCount++, row, lower);
  else if (lower > entry(job.lowers, 0).bound) sink(job.lowers, lowerCount, row, lower);
  if (lowerCount == job.wanted) raise(Math.max(threshold, entry(job.lowers, 0).bound));
}

/** Bounds the row by both planes, and keeps it if that is among the best. */
function refine(job: Job, row: u32, high: i32): void {
  const low = job.query + <usize>job.width;
  let sum = product(headOf(job, row), low, job.head, i32x4.splat(0));
  sum = product(tailOf(job, row), low + <usize>job.head, job.width - job.head, sum);
  const coarse = changetype<Coarse>(coarseOf(job, row));
  const fine = changetype<Fine>(fineOf(job, row));
  const both = 128.0 * f64(high) + f64(sumLanes(sum)) - 8192.0 * f64(fine.sum);
  const approximate = f64(coarse.scale) * job.scale * both;
  const slack = job.norm * f64(fine.residual) + job.error * normOf(coarse);
  if (approximate + slack > threshold) keep(job, row, approximate + slack, approximate - slack);
}

/** Most rows are ruled out by the high plane, with 63.5 for each low byte. */
// @ts-ignore: decorator
@inline
function offer(job: Job, row: u32, high: v128): void {
  const coarse = changetype<Coarse>(coarseOf(job, row));
  if (coarse.norm == -Infinity) return;
  const fine = changetype<Fine>(fineOf(job, row));
  const sum = sumLanes(high);
  const approximate = f64(coarse.scale) * job.scale * (128.0 * f64(sum) - 8128.5 * f64(fine.sum));
  if (approximate + job.norm * f64(fine.residual) + job.coarseError * normOf(coarse) > threshold) refine(job, row, sum);
}

function one(job: Job, row: u32): void {
  const sum = product(headOf(job, row), job.query, job.head, i32x4.splat(0));
  offer(job, row, product(tailOf(job, row), job.query + <usize>job.head, job.width - job.head, sum));
}

/** All values of four rows, each with the addresses of its head, coarse header, tail and fine header: mostly one test rules out all four. */
// @ts-ignore: decorator
@inline
function four(
  job: Job,
  rowA: u32, headA: usize, coarseA: usize, tailA: usize, fineA: usize,
  rowB: u32, headB: usize, coarseB: usize, tailB: usize, fineB: usize,
  rowC: u32, headC: usize, coarseC: usize, tailC: usize, fineC: usize,
  rowD: u32, headD: usize, coarseD: usize, tailD: usize, fineD: usize,
): void {
  // Independent sums hide the latency of a product.
  let sumA = i32x4.splat(0), sumB = sumA, sumC = sumA, sumD = sumA;
  let a = headA, b = headB, c = headC, d = headD;
  let query = job.query;
  let end = query + <usize>job.head;
  while (true) {
    // Unrolled: counting and adding addresses took as long as the products.
    for (; query + 64 <= end; query += 64, a += 64, b += 64, c += 64, d += 64) {
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
    for (; query < end; query += 16, a += 16, b += 16, c += 16, d += 16) {
      const high = v128.load(query);
      sumA = dot(v128.load(a), high, sumA);
      sumB = dot(v128.load(b), high, sumB);
      sumC = dot(v128.load(c), high, sumC);
      sumD = dot(v128.load(d), high, sumD);
    }
    if (end == job.query + <usize>job.width) break;
    a = tailA;
    b = tailB;
    c = tailC;
    d = tailD;
    end = job.query + <usize>job.width;
  }
  const fineAB = v128.load64_lane(fineB, v128.load64_zero(fineA), 1);
  const fineCD = v128.load64_lane(fineD, v128.load64_zero(fineC), 1);
  const bounds = wholeBounds(job, v128.load(coarseA), v128.load(coarseB), v128.load(coarseC), v128.load(coarseD), fineAB, fineCD, sumsOf(sumA, sumB, sumC, sumD));
  // What is no number rules nothing out.
  if (i32x4.all_true(f32x4.le(bounds, least))) return;
  offer(job, rowA, sumA);
  offer(job, rowB, sumB);
  offer(job, rowC, sumC);
  offer(job, rowD, sumD);
}

// @ts-ignore: decorator
@inline
function rowAt(job: Job, position: u32): u32 {
  return job.list == 0 ? position : load<u32>(job.list + (<usize>position << 2));
}

/** Where the block of a row ends. */
// @ts-ignore: decorator
@inline
function blockEnd(job: Job, row: u32): u32 {
  return (row / job.rowsPerBlock + 1) * job.rowsPerBlock;
}

/** Reads whole rows. */
function scanWhole(job: Job, from: u32, to: u32): void {
  let at = from;
  if (job.list != 0) {
    for (; at + 4 <= to; at += 4) {
      const a = rowAt(job, at), b = rowAt(job, at + 1), c = rowAt(job, at + 2), d = rowAt(job, at + 3);
      four(
        job,
        a, headOf(job, a), coarseOf(job, a), tailOf(job, a), fineOf(job, a),
        b, headOf(job, b), coarseOf(job, b), tailOf(job, b), fineOf(job, b),
        c, headOf(job, c), coarseOf(job, c), tailOf(job, c), fineOf(job, c),
        d, headOf(job, d), coarseOf(job, d), tailOf(job, d), fineOf(job, d),
      );
    }
    for (; at < to; at++) one(job, rowAt(job, at));
    return;
  }
  const h: usize = job.headStride, t: usize = job.tailStride;
  while (at < to) {
    const end = min(to, blockEnd(job, at));
    let head = headOf(job, at), coarse = coarseOf(job, at), tail = tailOf(job, at), fine = fineOf(job, at);
    for (; at + 4 <= end; at += 4, head += 4 * h, coarse += 64, tail += 4 * t, fine += 32) {
      four(
        job,
        at, head, coarse, tail, fine,
        at + 1, head + h, coarse + 16, tail + t, fine + 8,
        at + 2, head + 2 * h, coarse + 32, tail + 2 * t, fine + 16,
        at + 3, head + 3 * h, coarse + 48, tail + 3 * t, fine + 24,
      );
    }
    for (; at < end; at++) one(job, at);
  }
}

/** The heads with the highest bounds of a chunk: how many, and what a bound must exceed to be one. */
let headCount: u32 = 0;
let lowest: v128 = f32x4.splat(-Infinity);

/** Writes the bounds of four heads where `place` says, and keeps those of the first `count` that are among the highest, with their positions. */
// @ts-ignore: decorator
@inline
function boundFour(
  job: Job, place: usize, position: u32, count: u32,
  headA: usize, headB: usize, headC: usize, headD: usize,
  coarseA: usize, coarseB: usize, coarseC: usize, coarseD: usize,
): void {
  let sumA = i32x4.splat(0), sumB = sumA, sumC = sumA, sumD = sumA;
  let a = headA, b = headB, c = headC, d = headD;
  let query = job.query;
  const end = query + <usize>job.head;
  // Unrolled: counting and adding addresses took as long as the products.
  for (; query + 64 <= end; query += 64, a += 64, b += 64, c += 64, d += 64) {
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
  for (; query < end; query += 16, a += 16, b += 16, c += 16, d += 16) {
    const high = v128.load(query);
    sumA = dot(v128.load(a), high, sumA);
    sumB = dot(v128.load(b), high, sumB);
    sumC = dot(v128.load(c), high, sumC);
    sumD = dot(v128.load(d), high, sumD);
  }
  const bounds = headBounds(job, v128.load(coarseA), v128.load(coarseB), v128.load(coarseC), v128.load(coarseD), sumsOf(sumA, sumB, sumC, sumD));
  v128.store(place, bounds);
  if (!v128.any_true(f32x4.gt(bounds, lowest))) return;
  for (let lane: u32 = 0; lane < count; lane++) keepHead(job, position + lane, f64(load<f32>(place + (<usize>lane << 2))));
}

function keepHead(job: Job, position: u32, bound: f64): void {
  if (!(bound > f64(f32x4.extract_lane(lowest, 0)))) return;
  if (headCount < job.capacity) rise(job.scratch, headCount++, position, bound);
  else sink(job.scratch, headCount, position, bound);
  if (headCount == job.capacity) lowest = f32x4.splat(f32(entry(job.scratch, 0).bound));
}

/** Writes the bounds of the heads from `from` to `to` to the scratch, and the `capacity` highest with their positions before them. */
function boundHeads(job: Job, from: u32, to: u32): void {
  let place = job.scratch + <usize>job.capacity * offsetof<Kept>();
  headCount = 0;
  lowest = f32x4.splat(-Infinity);
  if (job.list != 0) {
    for (let at = from; at < to; at += 4, place += 16) {
      const last = to - 1;
      const a = rowAt(job, at), b = rowAt(job, min(at + 1, last)), c = rowAt(job, min(at + 2, last)), d = rowAt(job, min(at + 3, last));
      boundFour(
        job, place, at, min(4, to - at),
        headOf(job, a), headOf(job, b), headOf(job, c), headOf(job, d),
        coarseOf(job, a), coarseOf(job, b), coarseOf(job, c), coarseOf(job, d),
      );
    }
    return;
  }
  const stride: usize = job.headStride;
  for (let at = from; at < to; ) {
    const end = min(to, blockEnd(job, at));
    let head = headOf(job, at), coarse = coarseOf(job, at);
    for (; at + 4 <= end; at += 4, place += 16, head += 4 * stride, coarse += 64) {
      boundFour(
        job, place, at, 4,
        head, head + stride, head + 2 * stride, head + 3 * stride,
        coarse, coarse + 16, coarse + 32, coarse + 48,
      );
    }
    // What is written beyond the end of the block is written again with the next one.
    if (at == end) continue;
    const count = end - at;
    const b: usize = min(1, count - 1), c: usize = min(2, count - 1), d: usize = min(3, count - 1);
    boundFour(
      job, place, at, count,
      head, head + b * stride, head + c * stride, head + d * stride,
      coarse, coarse + (b << 4), coarse + (c << 4), coarse + (d << 4),
    );
    at = end;
    place += <usize>count << 2;
  }
}

/**
 * Reads heads, then whole rows: first those with the highest bounds of their heads, so that the threshold is high when it comes to the
 * others, which then mostly need not be read.
 */
function scanHeads(job: Job, from: u32, to: u32): void {
  boundHeads(job, from, to);
  const bounds = job.scratch + <usize>job.capacity * offsetof<Kept>();
  sort(job.scratch, headCount);
  for (let index: u32 = 0; index < headCount; index++) {
    const position = entry(job.scratch, index).row;
    if (f32x4.extract_lane(least, 0) >= f32(entry(job.scratch, index).bound)) break;
    store<f32>(bounds + (<usize>(position - from) << 2), -Infinity);
    job.passed++;
    one(job, rowAt(job, position));
  }
  for (let at = from; at < to; at += 4) {
    let lanes = ~i32x4.bitmask(f32x4.le(v128.load(bounds + (<usize>(at - from) << 2)), least)) & 15;
    for (; lanes != 0; lanes &= lanes - 1) {
      const position = at + <u32>ctz(lanes);
      if (position >= to) break;
      job.passed++;
      one(job, rowAt(job, position));
    }
  }
}

/** Leaves rows with the highest upper bounds of the slice in `kept`, best first. */
export function scan(address: usize): void {
  const job = changetype<Job>(address);
  job.count = 0;
  job.passed = 0;
  lowerCount = 0;
  raise(job.threshold);
  if (job.chunk == 0) scanWhole(job, job.from, job.to);
  else for (let from = job.from; from < job.to; from += job.chunk) scanHeads(job, from, min(job.to, from + job.chunk));
  sort(job.kept, job.count);
  job.threshold = threshold;
}
