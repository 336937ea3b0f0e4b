/** Free-size pictures of Qwen3-VL (arXiv:2511.21631): both sides are whole numbers of merged patches, the shape is nearly kept. */

/** Bounds of a picture after it was resized. */
export interface PixelBounds {
  /** Both sides are multiples of it: the patch times the merge, 32. */
  readonly factor: number;
  /** Width times height. */
  readonly minimumPixels: number;
  readonly maximumPixels: number;
}

const greatestRatio = 200;

/**
 * The size that a picture is resized to, as `smart_resize` of qwen-vl-utils 0.0.14 says.
 *
 * @param width and `height` in pixels, at least 1.
 * @throws RangeError when one side is more than 200 times the other.
 */
export function smartResize(width: number, height: number, { factor, minimumPixels, maximumPixels }: PixelBounds): { width: number; height: number } {
  if (Math.max(width, height) / Math.min(width, height) > greatestRatio) throw new RangeError(`one side is more than ${greatestRatio} times the other: ${width} × ${height}`);
  const rounded = (side: number) => Math.max(factor, halfToEven(side / factor) * factor);
  const pixels = rounded(width) * rounded(height);
  if (pixels > maximumPixels) {
    const scale = Math.sqrt((width * height) / maximumPixels);
    const floored = (side: number) => Math.max(factor, Math.floor(side / scale / factor) * factor);
    return { width: floored(width), height: floored(height) };
  }
  if (pixels < minimumPixels) {
    const scale = Math.sqrt(minimumPixels / (width * height));
    const raised = (side: number) => Math.ceil((side * scale) / factor) * factor;
    return { width: raised(width), height: raised(height) };
  }
  return { width: rounded(width), height: rounded(height) };
}

/** Python's rounding: 0.5 goes to the even neighbour. */
function halfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
