// AssemblyScript, for scan.ts and pairs.ts: what lies where in the shared memory.

/** One slice of one search. ScanJobs in ../src/index/scan-job.ts writes it; what is stored where: ../src/index/space-rows.ts. */
@unmanaged
export class Job {
  /** Two planes of `width` bytes, each byte 0..127: the query's high and low 7 bits, offset by 8192. */
  query: usize;
  /** How many of a row's values are compared, and how many of them lie in its head: multiples of 16. */
  width: u32;
  head: u32;
  /** Bytes of a row's head and of its tail as stored. */
  headStride: u32;
  tailStride: u32;
  /** Addresses of the blocks of rows, in order; the heads of a block lie at its start, the tails at `tails`. */
  blocks: usize;
  rowsPerBlock: u32;
  tails: u32;
  /** Addresses of the coarse and of the fine headers of each block. */
  coarse: usize;
  fine: usize;
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
  /** Room for the highest lower bounds, and how many of them: as many rows certainly score more than the least of these. */
  lowers: usize;
  wanted: u32;
  /** Room for `seeds` rows, the bounds of `chunk` + 4 heads and the highest of each 64; `chunk` is a multiple of 64, or 0 to read whole rows at once. */
  scratch: usize;
  chunk: u32;
  /** Result: how many rows their heads did not rule out. */
  passed: u32;
  /** How many rows are read first, those with the highest bounds of their heads. */
  seeds: u32;
  /** 2^40 / rowsPerBlock, rounded up: a row times it, shifted right by 40, is its block. */
  perRow: u64;
  scale: f64;
  norm: f64;
  /** Of the query as both planes have it, and as the high plane alone has it. */
  error: f64;
  coarseError: f64;
  /** Rows whose bound is not above it are not wanted. Result: no row that was left out has a bound above it. */
  threshold: f64;
  /** The factors of the bounds in float32: of the head's, then of the whole row's. */
  headScale: f32;
  headSlack: f32;
  headError: f32;
  tailNorm: f32;
  wholeSlack: f32;
  wholeNorm: f32;
  wholeError: f32;
  unusedToo: f32;
}

/** What the head's bound reads of a row. */
@unmanaged
export class Coarse {
  scale: f32;
  /** Length of the quantised head; -Infinity when the row is dead. */
  norm: f32;
  /** Length of the tail. */
  tail: f32;
  /** Sum of the head's values. */
  sum: i32;
}

/** What the bound of all values reads besides. */
@unmanaged
export class Fine {
  /** Length of what quantising lost. */
  residual: f32;
  /** Sum of all values. */
  sum: i32;
}
