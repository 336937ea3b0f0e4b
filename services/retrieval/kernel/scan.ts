// AssemblyScript, compiled to scan.wasm by `npm run wasm`. What the figures mean: ../src/index/quantisation.ts.

/** One slice of one search. ScanJobs in ../src/index/scan-job.ts writes it. */
@unmanaged
class Job {
  /** Two planes of `width` bytes, each byte 0..127: the query's high and low 7 bits, offset by 8192. */
  query: usize;
  /** Bytes of a row's values: the dimension, padded to a multiple of 16. */
  width: u32;
  /** Addresses of the blocks that hold the rows, in order. */
  blocks: usize;
  rowsPerBlock: u32;
  /** Ascending row numbers to scan, or 0 for all. */
  list: usize;
  /** The slice: positions in the list, or row numbers. */
  from: u32;
  to: u32;
  /** Where to keep the best rows, and at most how many. */
  kept: usize;
  capacity: u32;
  /** Result: how many are kept. */
  count: u32;
  scale: f64;
  norm: f64;
  /** Of the query as both planes have it, and as the high plane alone has it. */
  error: f64;
  coarseError: f64;
}

/** A stored row; its values follow at once. */
@unmanaged
class Row {
  scale: f32;
  /** Length of what quantising lost; -Infinity when the row is dead. */
  residual: f32;
  norm: f32;
  sum: i32;
}

@unmanaged
class Kept {
  bound: f64;
  row: u32;
  unused: u32;
}

// @ts-ignore: decorator
@inline
const HEADER: usize = offsetof<Row>();

let threshold: f64 = -Infinity;

// @ts-ignore: decorator
@inline
function kept(job: Job, index: u32): Kept {
  return changetype<Kept>(job.kept + index * offsetof<Kept>());
}

// @ts-ignore: decorator
@inline
function put(job: Job, index: u32, row: u32, bound: f64): void {
  kept(job, index).bound = bound;
  kept(job, index).row = row;
}

/** Puts the row where it belongs on the way from the top of the heap of the first `count` down. */
function sink(job: Job, count: u32, row: u32, bound: f64): void {
  let hole: u32 = 0;
  while (true) {
    let child: u32 = 2 * hole + 1;
    if (child >= count) break;
    if (child + 1 < count && kept(job, child + 1).bound < kept(job, child).bound) child++;
    if (kept(job, child).bound >= bound) break;
    put(job, hole, kept(job, child).row, kept(job, child).bound);
    hole = child;
  }
  put(job, hole, row, bound);
}

/** Keeps a row that is among the best: a heap with the smallest on top, which is the threshold once it is full. */
function keep(job: Job, row: u32, bound: f64): void {
  if (job.count < job.capacity) {
    let hole = job.count++;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (kept(job, parent).bound <= bound) break;
      put(job, hole, kept(job, parent).row, kept(job, parent).bound);
      hole = parent;
    }
    put(job, hole, row, bound);
  } else {
    sink(job, job.count, row, bound);
  }
  if (job.count == job.capacity) threshold = kept(job, 0).bound;
}

/** Turns the heap into a list, best first: the smallest goes to the end, again and again. */
function sort(job: Job): void {
  for (let last = job.count; last > 1; ) {
    last--;
    const row = kept(job, last).row;
    const bound = kept(job, last).bound;
    put(job, last, kept(job, 0).row, kept(job, 0).bound);
    sink(job, last, row, bound);
  }
}

// @ts-ignore: decorator
@inline
function sumLanes(a: v128): i32 {
  const pairs = i32x4.add(a, i8x16.shuffle(a, a, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  return i32x4.extract_lane(pairs, 0) + i32x4.extract_lane(pairs, 1);
}

// @ts-ignore: decorator
@inline
function dot(values: v128, query: v128, sum: v128): v128 {
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(values, query, sum);
}

// @ts-ignore: decorator
@inline
function bound(job: Job, stored: Row, product: f64, error: f64): f64 {
  return f64(stored.scale) * job.scale * product + job.norm * f64(stored.residual) + error * f64(stored.norm);
}

/** Bounds the row by both planes, and keeps it if that is among the best. */
function refine(job: Job, row: u32, address: usize, high: i32): void {
  const low = job.query + <usize>job.width;
  let sum = i32x4.splat(0);
  for (let at: usize = 0; at < <usize>job.width; at += 16) {
    sum = dot(v128.load(address + at, HEADER), v128.load(low + at), sum);
  }
  const stored = changetype<Row>(address);
  const product = 128.0 * f64(high) + f64(sumLanes(sum)) - 8192.0 * f64(stored.sum);
  const refined = bound(job, stored, product, job.error);
  if (refined > threshold) keep(job, row, refined);
}

/** Most rows are ruled out by the high plane alone, with 63.5 for each low byte. */
// @ts-ignore: decorator
@inline
function offer(job: Job, row: u32, address: usize, high: v128): void {
  const stored = changetype<Row>(address);
  const sum = sumLanes(high);
  const product = 128.0 * f64(sum) - 8128.5 * f64(stored.sum);
  if (bound(job, stored, product, job.coarseError) > threshold) refine(job, row, address, sum);
}

// @ts-ignore: decorator
@inline
function one(job: Job, row: u32, address: usize): void {
  const query = job.query;
  const width: usize = job.width;
  let sum = i32x4.splat(0);
  for (let at: usize = 0; at < width; at += 16) sum = dot(v128.load(address + at, HEADER), v128.load(query + at), sum);
  offer(job, row, address, sum);
}

/** Coarse bounds of two rows from their headers and, in the low lanes, their sums: `offer` in two lanes. */
// @ts-ignore: decorator
@inline
function coarseBounds(job: Job, a: v128, b: v128, sums: v128): v128 {
  const scaleResidual = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const normSum = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const scale = f64x2.promote_low_f32x4(scaleResidual);
  const residual = f64x2.promote_low_f32x4(v128.shuffle<i32>(scaleResidual, scaleResidual, 2, 3, 2, 3));
  const norm = f64x2.promote_low_f32x4(normSum);
  const sum = f64x2.convert_low_i32x4_s(v128.shuffle<i32>(normSum, normSum, 2, 3, 2, 3));
  const product = f64x2.sub(f64x2.mul(f64x2.splat(128.0), f64x2.convert_low_i32x4_s(sums)), f64x2.mul(f64x2.splat(8128.5), sum));
  return f64x2.add(
    f64x2.mul(f64x2.mul(scale, f64x2.splat(job.scale)), product),
    f64x2.add(f64x2.mul(f64x2.splat(job.norm), residual), f64x2.mul(f64x2.splat(job.coarseError), norm)),
  );
}

/** Four rows at a time: independent sums hide the latency of the dot product, and mostly one test rules out all four. */
// @ts-ignore: decorator
@inline
function four(job: Job, rowA: u32, a: usize, rowB: u32, b: usize, rowC: u32, c: usize, rowD: u32, d: usize): void {
  const query = job.query;
  const width: usize = job.width;
  let sumA = i32x4.splat(0), sumB = sumA, sumC = sumA, sumD = sumA;
  let at: usize = 0;
  // Unrolled: counting and adding addresses took as long as the products.
  for (; at + 64 <= width; at += 64) {
    const q = query + at, atA = a + at, atB = b + at, atC = c + at, atD = d + at;
    let high = v128.load(q);
    sumA = dot(v128.load(atA, HEADER), high, sumA);
    sumB = dot(v128.load(atB, HEADER), high, sumB);
    sumC = dot(v128.load(atC, HEADER), high, sumC);
    sumD = dot(v128.load(atD, HEADER), high, sumD);
    high = v128.load(q, 16);
    sumA = dot(v128.load(atA, HEADER + 16), high, sumA);
    sumB = dot(v128.load(atB, HEADER + 16), high, sumB);
    sumC = dot(v128.load(atC, HEADER + 16), high, sumC);
    sumD = dot(v128.load(atD, HEADER + 16), high, sumD);
    high = v128.load(q, 32);
    sumA = dot(v128.load(atA, HEADER + 32), high, sumA);
    sumB = dot(v128.load(atB, HEADER + 32), high, sumB);
    sumC = dot(v128.load(atC, HEADER + 32), high, sumC);
    sumD = dot(v128.load(atD, HEADER + 32), high, sumD);
    high = v128.load(q, 48);
    sumA = dot(v128.load(atA, HEADER + 48), high, sumA);
    sumB = dot(v128.load(atB, HEADER + 48), high, sumB);
    sumC = dot(v128.load(atC, HEADER + 48), high, sumC);
    sumD = dot(v128.load(atD, HEADER + 48), high, sumD);
  }
  for (; at < width; at += 16) {
    const high = v128.load(query + at);
    sumA = dot(v128.load(a + at, HEADER), high, sumA);
    sumB = dot(v128.load(b + at, HEADER), high, sumB);
    sumC = dot(v128.load(c + at, HEADER), high, sumC);
    sumD = dot(v128.load(d + at, HEADER), high, sumD);
  }
  const sumsAB = i32x4.add(v128.shuffle<i32>(sumA, sumB, 0, 1, 4, 5), v128.shuffle<i32>(sumA, sumB, 2, 3, 6, 7));
  const sumsCD = i32x4.add(v128.shuffle<i32>(sumC, sumD, 0, 1, 4, 5), v128.shuffle<i32>(sumC, sumD, 2, 3, 6, 7));
  const sums = i32x4.add(v128.shuffle<i32>(sumsAB, sumsCD, 0, 2, 4, 6), v128.shuffle<i32>(sumsAB, sumsCD, 1, 3, 5, 7));
  const boundsAB = coarseBounds(job, v128.load(a), v128.load(b), sums);
  const boundsCD = coarseBounds(job, v128.load(c), v128.load(d), v128.shuffle<i32>(sums, sums, 2, 3, 2, 3));
  const best = f64x2.splat(threshold);
  if (!v128.any_true(v128.or(f64x2.gt(boundsAB, best), f64x2.gt(boundsCD, best)))) return;
  offer(job, rowA, a, sumA);
  offer(job, rowB, b, sumB);
  offer(job, rowC, c, sumC);
  offer(job, rowD, d, sumD);
}

// @ts-ignore: decorator
@inline
function addressOf(job: Job, row: u32, stride: usize): usize {
  const block = row / job.rowsPerBlock;
  return <usize>load<u32>(job.blocks + (block << 2)) + <usize>(row - block * job.rowsPerBlock) * stride;
}

function scanAll(job: Job, stride: usize): void {
  let row = job.from;
  while (row < job.to) {
    let address = addressOf(job, row, stride);
    const end = min(job.to, (row / job.rowsPerBlock + 1) * job.rowsPerBlock);
    for (; row + 4 <= end; row += 4, address += 4 * stride) {
      four(job, row, address, row + 1, address + stride, row + 2, address + 2 * stride, row + 3, address + 3 * stride);
    }
    for (; row < end; row++, address += stride) one(job, row, address);
  }
}

function scanList(job: Job, stride: usize): void {
  let at = job.list + (job.from << 2);
  const end = job.list + (job.to << 2);
  for (; at + 16 <= end; at += 16) {
    const a = load<u32>(at), b = load<u32>(at, 4), c = load<u32>(at, 8), d = load<u32>(at, 12);
    four(job, a, addressOf(job, a, stride), b, addressOf(job, b, stride), c, addressOf(job, c, stride), d, addressOf(job, d, stride));
  }
  for (; at < end; at += 4) one(job, load<u32>(at), addressOf(job, load<u32>(at), stride));
}

/** Leaves the `capacity` rows with the highest upper bounds of the slice in `kept`, best first. */
export function scan(address: usize): void {
  const job = changetype<Job>(address);
  const stride: usize = HEADER + <usize>job.width;
  job.count = 0;
  threshold = -Infinity;
  if (job.list == 0) scanAll(job, stride);
  else scanList(job, stride);
  sort(job);
}
