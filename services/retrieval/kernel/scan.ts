// AssemblyScript, compiled to scan.wasm by `npm run wasm`. What the figures mean: ../src/index/quantisation.ts.
import { boundGroups, boundHeads, group } from './heads';
import { entry, Kept, rise, sink, sort } from './heap';
import { Coarse, Fine, Job } from './layout';
import { blockOf, coarseOf, fineOf, headOf, normOf, product, products, rowAt, sumLanes, tailOf, wholeBounds } from './rows';

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
  const finite = Math.min(value, f64(f32.MAX_VALUE));
  least = f32x4.splat(f32(finite - Math.abs(finite) / 8388608.0 - 1e-38));
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
  const block = blockOf(job, row);
  let sum = product(headOf(job, block, row), low, job.head, i32x4.splat(0));
  sum = product(tailOf(job, block, row), low + <usize>job.head, job.width - job.head, sum);
  const coarse = changetype<Coarse>(coarseOf(job, block, row));
  const fine = changetype<Fine>(fineOf(job, block, row));
  const both = 128.0 * f64(high) + f64(sumLanes(sum)) - 8192.0 * f64(fine.sum);
  const approximate = f64(coarse.scale) * job.scale * both;
  const slack = job.norm * f64(fine.residual) + job.error * normOf(coarse);
  if (approximate + slack > threshold) keep(job, row, approximate + slack, approximate - slack);
}

/** Most rows are ruled out by the high plane, with 63.5 for each low byte. */
// @ts-ignore: decorator
@inline
function offer(job: Job, row: u32, coarseAt: usize, fineAt: usize, sum: i32): void {
  const coarse = changetype<Coarse>(coarseAt);
  if (coarse.norm == -Infinity) return;
  const fine = changetype<Fine>(fineAt);
  const approximate = f64(coarse.scale) * job.scale * (128.0 * f64(sum) - 8128.5 * f64(fine.sum));
  if (approximate + job.norm * f64(fine.residual) + job.coarseError * normOf(coarse) > threshold) refine(job, row, sum);
}

function one(job: Job, row: u32): void {
  const block = blockOf(job, row);
  let sum = product(headOf(job, block, row), job.query, job.head, i32x4.splat(0));
  sum = product(tailOf(job, block, row), job.query + <usize>job.head, job.width - job.head, sum);
  offer(job, row, coarseOf(job, block, row), fineOf(job, block, row), sumLanes(sum));
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
  const high = products(job, job.query + <usize>job.width, headA, headB, headC, headD, tailA, tailB, tailC, tailD);
  const fineAB = v128.load64_lane(fineB, v128.load64_zero(fineA), 1);
  const fineCD = v128.load64_lane(fineD, v128.load64_zero(fineC), 1);
  const bounds = wholeBounds(job, v128.load(coarseA), v128.load(coarseB), v128.load(coarseC), v128.load(coarseD), fineAB, fineCD, high);
  // What is no number rules nothing out.
  if (i32x4.all_true(f32x4.le(bounds, least))) return;
  offer(job, rowA, coarseA, fineA, i32x4.extract_lane(high, 0));
  offer(job, rowB, coarseB, fineB, i32x4.extract_lane(high, 1));
  offer(job, rowC, coarseC, fineC, i32x4.extract_lane(high, 2));
  offer(job, rowD, coarseD, fineD, i32x4.extract_lane(high, 3));
}

/** Four rows anywhere. */
function fourOf(job: Job, a: u32, b: u32, c: u32, d: u32): void {
  const blockA = blockOf(job, a), blockB = blockOf(job, b), blockC = blockOf(job, c), blockD = blockOf(job, d);
  four(
    job,
    a, headOf(job, blockA, a), coarseOf(job, blockA, a), tailOf(job, blockA, a), fineOf(job, blockA, a),
    b, headOf(job, blockB, b), coarseOf(job, blockB, b), tailOf(job, blockB, b), fineOf(job, blockB, b),
    c, headOf(job, blockC, c), coarseOf(job, blockC, c), tailOf(job, blockC, c), fineOf(job, blockC, c),
    d, headOf(job, blockD, d), coarseOf(job, blockD, d), tailOf(job, blockD, d), fineOf(job, blockD, d),
  );
}

/** Reads whole rows. */
function scanWhole(job: Job, from: u32, to: u32): void {
  let at = from;
  if (job.list != 0) {
    for (; at + 4 <= to; at += 4) fourOf(job, rowAt(job, at), rowAt(job, at + 1), rowAt(job, at + 2), rowAt(job, at + 3));
    for (; at < to; at++) one(job, rowAt(job, at));
    return;
  }
  const h: usize = job.headStride, t: usize = job.tailStride;
  while (at < to) {
    const block = blockOf(job, at);
    const end = min(to, (block + 1) * job.rowsPerBlock);
    let head = headOf(job, block, at), coarse = coarseOf(job, block, at), tail = tailOf(job, block, at), fine = fineOf(job, block, at);
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

/** Rows that are to be read whole, so far: up to four. */
let waiting: u32 = 0;
let first: u32 = 0;
let second: u32 = 0;
let third: u32 = 0;

/** Reads the row whole, together with three others, whose places in memory are then waited for at once. */
// @ts-ignore: decorator
@inline
function wait(job: Job, row: u32): void {
  job.passed++;
  if (waiting == 3) {
    waiting = 0;
    fourOf(job, first, second, third, row);
  } else if (waiting == 0) {
    waiting = 1;
    first = row;
  } else if (waiting == 1) {
    waiting = 2;
    second = row;
  } else {
    waiting = 3;
    third = row;
  }
}

function waitNoMore(job: Job): void {
  if (waiting > 0) one(job, first);
  if (waiting > 1) one(job, second);
  if (waiting > 2) one(job, third);
  waiting = 0;
}

/** Reads the best row of the groups with the highest bounds, best first: they make a threshold. */
function readSeeds(job: Job, from: u32, bounds: usize, highest: usize, groups: u32): void {
  const heap = job.scratch;
  let count: u32 = 0;
  for (let index: u32 = 0; index < groups; index++) {
    const bound = load<f32>(highest + (<usize>index << 2));
    if (count < job.seeds) rise(heap, count++, index, f64(bound));
    else if (f64(bound) > entry(heap, 0).bound) sink(heap, count, index, f64(bound));
  }
  sort(heap, count);
  for (let index: u32 = 0; index < count; index++) {
    if (f32(entry(heap, index).bound) <= f32x4.extract_lane(least, 0)) break;
    const seed = f32x4.splat(f32(entry(heap, index).bound));
    const start = entry(heap, index).row * group;
    for (let at = start; at < start + group; at += 4) {
      const lanes = i32x4.bitmask(f32x4.eq(v128.load(bounds + (<usize>at << 2)), seed));
      if (lanes == 0) continue;
      const position = at + <u32>ctz(lanes);
      store<f32>(bounds + (<usize>position << 2), -Infinity);
      wait(job, rowAt(job, from + position));
      break;
    }
  }
  waitNoMore(job);
}

/**
 * Reads heads, then whole rows: first some with high bounds of their heads, so that the threshold is high when it comes to the others,
 * which then mostly need not be read.
 */
function scanHeads(job: Job, from: u32, to: u32): void {
  const bounds = job.scratch + <usize>job.seeds * offsetof<Kept>();
  const highest = bounds + (<usize>job.chunk << 2) + 16;
  const count = to - from;
  const groups = (count + group - 1) / group;
  boundHeads(job, from, to, bounds);
  for (let at = count; at < groups * group; at++) store<f32>(bounds + (<usize>at << 2), -Infinity);
  boundGroups(bounds, highest, groups);
  readSeeds(job, from, bounds, highest, groups);
  for (let index: u32 = 0; index < groups; index++) {
    if (load<f32>(highest + (<usize>index << 2)) <= f32x4.extract_lane(least, 0)) continue;
    for (let at = index * group; at < (index + 1) * group; at += 4) {
      let lanes = i32x4.bitmask(f32x4.gt(v128.load(bounds + (<usize>at << 2)), least));
      for (; lanes != 0; lanes &= lanes - 1) wait(job, rowAt(job, from + at + <u32>ctz(lanes)));
    }
  }
  waitNoMore(job);
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
