// AssemblyScript, for scan.ts: heaps of rows in the shared memory, the one with the smallest bound on top.

/** A row with a bound. */
@unmanaged
export class Kept {
  bound: f64;
  row: u32;
  unused: u32;
}

// @ts-ignore: decorator
@inline
export function entry(heap: usize, index: u32): Kept {
  return changetype<Kept>(heap + index * offsetof<Kept>());
}

// @ts-ignore: decorator
@inline
function put(heap: usize, index: u32, row: u32, bound: f64): void {
  entry(heap, index).bound = bound;
  entry(heap, index).row = row;
}

/** Puts the row where it belongs on the way from the top of a heap of `count` down; the smallest is on top. */
export function sink(heap: usize, count: u32, row: u32, bound: f64): void {
  let hole: u32 = 0;
  while (true) {
    let child: u32 = 2 * hole + 1;
    if (child >= count) break;
    if (child + 1 < count && entry(heap, child + 1).bound < entry(heap, child).bound) child++;
    if (entry(heap, child).bound >= bound) break;
    put(heap, hole, entry(heap, child).row, entry(heap, child).bound);
    hole = child;
  }
  put(heap, hole, row, bound);
}

/** Puts the row where it belongs on the way from a new place at the end of a heap of `count` up. */
export function rise(heap: usize, count: u32, row: u32, bound: f64): void {
  let hole = count;
  while (hole > 0) {
    const parent = (hole - 1) >> 1;
    if (entry(heap, parent).bound <= bound) break;
    put(heap, hole, entry(heap, parent).row, entry(heap, parent).bound);
    hole = parent;
  }
  put(heap, hole, row, bound);
}

/** Turns the heap into a list, best first: the smallest goes to the end, again and again. */
export function sort(heap: usize, count: u32): void {
  for (let last = count; last > 1; ) {
    last--;
    const row = entry(heap, last).row;
    const bound = entry(heap, last).bound;
    put(heap, last, entry(heap, 0).row, entry(heap, 0).bound);
    sink(heap, last, row, bound);
  }
}
