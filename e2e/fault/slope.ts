const blocks = 10;
/** Student's t, 97.5 %, 8 degrees of freedom. */
const t = 2.306;

/**
 * Slope of a straight line through points (least squares) and its 95 % interval, from blocks of neighbours: samples that
 * follow each other are alike, so each block counts as one.
 *
 * @param x at least ten, growing.
 */
export function slopeInterval(x: readonly number[], y: readonly number[]): { slope: number; low: number; high: number } {
  const size = Math.floor(x.length / blocks);
  if (size < 1) throw new RangeError(`expected at least ${blocks} points and got ${x.length}`);
  const meanOf = (values: readonly number[], block: number) => values.slice(block * size, (block + 1) * size).reduce((sum, value) => sum + value, 0) / size;
  const points = Array.from({ length: blocks }, (_, block) => ({ x: meanOf(x, block), y: meanOf(y, block) }));
  const [meanX, meanY] = [points.reduce((sum, point) => sum + point.x, 0) / blocks, points.reduce((sum, point) => sum + point.y, 0) / blocks];
  const spread = points.reduce((sum, point) => sum + (point.x - meanX) ** 2, 0);
  const slope = points.reduce((sum, point) => sum + (point.x - meanX) * (point.y - meanY), 0) / spread;
  const rest = points.reduce((sum, point) => sum + (point.y - meanY - slope * (point.x - meanX)) ** 2, 0);
  const error = Math.sqrt(rest / (blocks - 2) / spread);
  return { slope, low: slope - t * error, high: slope + t * error };
}
