// AssemblyScript, compiled to pairs.wasm by `npm run wasm`. What the figures mean: ../src/index/pair-rows.ts.
import { Coarse, Fine } from './layout';

/** One piece of a search for pairs. PairRows in ../src/index/pair-rows.ts writes it. */
@unmanaged
class Job {
  /** The prepared rows: groups of four, see `Group`. */
  groups: usize;
  /** Bytes of a row's prefix, a multiple of 4, and of all its values. */
  prefix: u32;
  width: u32;
  /** Addresses of the blocks that hold the rows, in order. */
  blocks: usize;
  rowsPerBlock: u32;
  /** Row numbers, one for each position. */
  list: usize;
  /** Positions of both sides of the square that is searched, multiples of 4; a pair has its smaller position on the left. */
  leftFrom: u32;
  leftTo: u32;
  rightFrom: u32;
  rightTo: u32;
  /** Where to go on when the room was full: the next tile of the right side and its next left position. */
  tile: u32;
  left: u32;
  /** Room for pairs of positions, at least `tileRows`, and how many there are. */
  pairs: usize;
  capacity: u32;
  count: u32;
  /** Room for a left row's prefix: 4 bytes a byte. */
  splats: usize;
  threshold: f64;
  /** Bytes of a row's head. */
  head: u32;
}

/** Figures of four rows, four float32 each, before their prefixes: scale, 127.5·scale·Σprefix, length of the tail, residual. */
// @ts-ignore: decorator
@inline
const FIGURES: usize = 64;

/** Rows of the right side that stay in the nearest cache while left rows pass: at 32 bytes of prefix 24 KB. */
// @ts-ignore: decorator
@inline
const tileRows: u32 = 512;

// @ts-ignore: decorator
@inline
function strideOf(job: Job): usize {
  return FIGURES + 4 * <usize>job.prefix;
}

/** The parts of a row lie apart in its block, whose layout ../src/index/space-rows.ts describes. */
// @ts-ignore: decorator
@inline
function partOf(job: Job, position: u32, before: u32, bytes: u32): usize {
  const row = load<u32>(job.list + (<usize>position << 2));
  const block = row / job.rowsPerBlock;
  return <usize>load<u32>(job.blocks + (<usize>block << 2)) + <usize>(job.rowsPerBlock * before) + <usize>((row - block * job.rowsPerBlock) * bytes);
}

// @ts-ignore: decorator
@inline
function headOf(job: Job, position: u32): usize {
  return partOf(job, position, 0, job.head);
}

// @ts-ignore: decorator
@inline
function tailOf(job: Job, position: u32): usize {
  return partOf(job, position, job.head + offsetof<Coarse>(), job.width - job.head);
}

// @ts-ignore: decorator
@inline
function coarseOf(job: Job, position: u32): Coarse {
  return changetype<Coarse>(partOf(job, position, job.head, offsetof<Coarse>()));
}

// @ts-ignore: decorator
@inline
function residualOf(job: Job, position: u32): f64 {
  if (coarseOf(job, position).norm == -Infinity) return -Infinity; // a dead row
  return f64(changetype<Fine>(partOf(job, position, job.width + offsetof<Coarse>(), offsetof<Fine>())).residual);
}

// @ts-ignore: decorator
@inline
function normOf(coarse: Coarse): f64 {
  return Math.sqrt(f64(coarse.norm) * f64(coarse.norm) + f64(coarse.tail) * f64(coarse.tail));
}

/** A float32 that is at least the value. */
// @ts-ignore: decorator
@inline
function roundUp(value: f64): f32 {
  return f32(value * (1 + 1.0 / 4194304.0) + 1e-30);
}

/** Writes the groups of the positions from `leftFrom` to `leftTo`; positions beyond `count` are padding that matches nothing. */
export function prepare(address: usize): void {
  const job = changetype<Job>(address);
  const stride = strideOf(job);
  for (let position = job.leftFrom; position < job.leftTo; position++) {
    const group = job.groups + <usize>(position >> 2) * stride;
    const lane = (<usize>position & 3) << 2;
    const prefix = group + FIGURES + lane;
    let scale: f32 = 0, offset: f32 = 0, rest: f32 = 0, residual: f32 = -Infinity;
    if (position < job.count) {
      const head = headOf(job, position);
      const tail = tailOf(job, position) - <usize>job.head;
      let sum: i32 = 0;
      for (let at: usize = 0; at < <usize>job.prefix; at += 4) {
        const values = (at < <usize>job.head ? head : tail) + at;
        store<u32>(prefix + (at << 2), load<u32>(values));
        sum += <i32>load<i8>(values) + <i32>load<i8>(values, 1) + <i32>load<i8>(values, 2) + <i32>load<i8>(values, 3);
      }
      let squares: i32 = 0;
      for (let at: usize = job.prefix; at < <usize>job.width; at++) {
        const value = <i32>load<i8>((at < <usize>job.head ? head : tail) + at);
        squares += value * value;
      }
      scale = coarseOf(job, position).scale;
      offset = f32(127.5 * f64(scale) * f64(sum));
      rest = roundUp(f64(scale) * Math.sqrt(f64(squares)));
      residual = f32(residualOf(job, position));
    } else {
      for (let at: usize = 0; at < <usize>job.prefix; at += 4) store<u32>(prefix + (at << 2), 0);
    }
    store<f32>(group + lane, scale);
    store<f32>(group + lane, offset, 16);
    store<f32>(group + lane, rest, 32);
    store<f32>(group + lane, residual, 48);
  }
}

/** The sums of ⟨x′, y′⟩ in integers, added to what is there. */
// @ts-ignore: decorator
@inline
function product(a: usize, b: usize, width: usize, start: v128): v128 {
  let sum = start;
  for (let at: usize = 0; at < width; at += 16) {
    const x = v128.load(a + at), y = v128.load(b + at);
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(x), i16x8.extend_low_i8x16_s(y)));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(x), i16x8.extend_high_i8x16_s(y)));
  }
  return sum;
}

/** Keeps the pair when the bound of all its values is not below the threshold. */
function confirm(job: Job, left: u32, right: u32): void {
  const x = coarseOf(job, left), y = coarseOf(job, right);
  let sum = product(headOf(job, left), headOf(job, right), job.head, i32x4.splat(0));
  sum = product(tailOf(job, left), tailOf(job, right), job.width - job.head, sum);
  const exact = i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) + i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3);
  const residual = residualOf(job, right);
  const bound = f64(x.scale) * f64(y.scale) * f64(exact) + normOf(x) * residual + residualOf(job, left) * (normOf(y) + residual);
  if (bound < job.threshold - 1e-9 || !(bound == bound)) return;
  const pair = job.pairs + (<usize>(job.count++) << 3);
  store<u32>(pair, left);
  store<u32>(pair, right, 4);
}

/** The lanes of a group whose bound from the prefixes is not below the threshold, a bit each. */
// @ts-ignore: decorator
@inline
function passing(group: usize, sums: v128, scale: v128, negated: v128, tail: v128, slope: v128, least: v128): i32 {
  const prefix = f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(sums), v128.load(group)), scale);
  const centred = f32x4.add(prefix, f32x4.mul(v128.load(group, 16), negated));
  const bound = f32x4.add(f32x4.add(centred, f32x4.mul(v128.load(group, 32), tail)), f32x4.mul(v128.load(group, 48), slope));
  return i32x4.bitmask(f32x4.ge(bound, least));
}

/** Confirms what passed; the bits of four groups, the first lowest. */
function confirmAll(job: Job, left: u32, right: u32, lanes: i32): void {
  for (let bits = lanes; bits != 0; bits &= bits - 1) {
    const position = right + <u32>ctz(bits);
    if (position > left) confirm(job, left, position);
  }
}

/** All rows of a tile against one left row. */
function against(job: Job, left: u32, from: u32, to: u32): void {
  const residual = residualOf(job, left);
  if (residual == -Infinity) return;
  const ownScale = coarseOf(job, left).scale;
  const stride = strideOf(job);
  const prefix: usize = job.prefix;
  const splats = job.splats;
  const leftGroup = job.groups + <usize>(left >> 2) * stride;
  const lane = (<usize>left & 3) << 2;

  // Seven bits a value: (k + 128) >> 1, which is (k + 127.5 ± 0.5) / 2.
  const source = leftGroup + FIGURES + lane;
  for (let at: usize = 0; at < prefix; at += 4) {
    const word = v128.xor(i32x4.splat(load<i32>(source + (at << 2))), i8x16.splat(-128));
    v128.store(splats + (at << 2), i8x16.shr_u(word, 1));
  }
  const halved = 0.5 * Math.sqrt(f64(prefix)) * f64(ownScale);
  const scale = f32x4.splat(f32(2 * f64(ownScale)));
  const negated = f32x4.splat(-ownScale);
  const tail = f32x4.splat(load<f32>(leftGroup + lane, 32));
  const slope = f32x4.splat(roundUp(1 + residual + halved));
  // 2^-14 is more than float32 loses here, and than lengths differ from 1.
  const least = f32x4.splat(f32(job.threshold - residual - halved - 1.0 / 16384.0));

  let right = max(from, left & ~3);
  let group = job.groups + <usize>(right >> 2) * stride;
  for (; right + 16 <= to; right += 16, group += 4 * stride) {
    let sumA = i32x4.splat(0), sumB = sumA, sumC = sumA, sumD = sumA;
    const a = group + FIGURES, b = a + stride, c = b + stride, d = c + stride;
    for (let at: usize = 0; at < 4 * prefix; at += 32) {
      let values = v128.load(splats + at);
      sumA = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(a + at), values, sumA);
      sumB = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(b + at), values, sumB);
      sumC = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(c + at), values, sumC);
      sumD = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(d + at), values, sumD);
      values = v128.load(splats + at, 16);
      sumA = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(a + at, 16), values, sumA);
      sumB = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(b + at, 16), values, sumB);
      sumC = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(c + at, 16), values, sumC);
      sumD = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(d + at, 16), values, sumD);
    }
    let lanes = passing(group, sumA, scale, negated, tail, slope, least);
    lanes |= passing(group + stride, sumB, scale, negated, tail, slope, least) << 4;
    lanes |= passing(group + 2 * stride, sumC, scale, negated, tail, slope, least) << 8;
    lanes |= passing(group + 3 * stride, sumD, scale, negated, tail, slope, least) << 12;
    if (lanes != 0) confirmAll(job, left, right, lanes);
  }
  for (; right < to; right += 4, group += stride) {
    let sum = i32x4.splat(0);
    for (let at: usize = 0; at < 4 * prefix; at += 16) {
      sum = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(group + FIGURES + at), v128.load(splats + at), sum);
    }
    const lanes = passing(group, sum, scale, negated, tail, slope, least);
    if (lanes != 0) confirmAll(job, left, right, lanes);
  }
}

/** Leaves the pairs of the square in `pairs`; `tile` is past the right side when nothing is left to do. */
export function findPairs(address: usize): void {
  const job = changetype<Job>(address);
  job.count = 0;
  for (; job.tile < job.rightTo; job.tile += tileRows, job.left = job.leftFrom) {
    const to = min(job.tile + tileRows, job.rightTo);
    const last = min(job.leftTo, to);
    for (; job.left < last; job.left++) {
      if (job.count + tileRows > job.capacity) return;
      against(job, job.left, job.tile, to);
    }
  }
}

// @ts-ignore: decorator
@inline
function differingBits(a: usize, b: usize): u32 {
  const x = i8x16.popcnt(v128.xor(v128.load(a), v128.load(b)));
  const y = i8x16.popcnt(v128.xor(v128.load(a, 16), v128.load(b, 16)));
  const sums = i16x8.extadd_pairwise_i8x16_u(i8x16.add(x, y));
  const words = i32x4.extadd_pairwise_i16x8_u(sums);
  const halves = i64x2.add(words, i64x2.shr_u(words, 32));
  return <u32>i64x2.extract_lane(halves, 0) + <u32>i64x2.extract_lane(halves, 1);
}

/** The same for 256-bit hashes, 32 bytes each at `groups`: pairs that differ in at most `threshold` bits. */
export function findHashPairs(address: usize): void {
  const job = changetype<Job>(address);
  const most = u32(job.threshold);
  job.count = 0;
  for (; job.tile < job.rightTo; job.tile += tileRows, job.left = job.leftFrom) {
    const to = min(job.tile + tileRows, job.rightTo);
    for (; job.left < job.leftTo; job.left++) {
      if (job.count + tileRows > job.capacity) return;
      const own = job.groups + (<usize>job.left << 5);
      for (let right = max(job.tile, job.left + 1); right < to; right++) {
        if (differingBits(own, job.groups + (<usize>right << 5)) > most) continue;
        const pair = job.pairs + (<usize>(job.count++) << 3);
        store<u32>(pair, job.left);
        store<u32>(pair, right, 4);
      }
    }
  }
}
