/** Values of the cells of a grid that is spread evenly over a picture. */
export interface HeatMap {
  readonly rows: number;
  readonly columns: number;
  /** Of each cell in raster order, 0 (dark violet) to 255 (yellow). */
  readonly levels: Uint8Array;
  /** 1 for cells that get a frame; those that lie side by side get one together. */
  readonly framed: Uint8Array;
}

/** Viridis (Stéfan van der Walt and Nathaniel Smith, CC0) at 0, 1/4, … 1: as light as the value is high, also in grey. */
const stops: readonly (readonly [number, number, number])[] = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
/** Of the colour; the rest is the picture. */
const share = 0.5;

function colour(level: number): [number, number, number] {
  const place = (level / 255) * (stops.length - 1);
  const below = Math.min(Math.floor(place), stops.length - 2);
  const mixed = (channel: number) => stops[below][channel] + (place - below) * (stops[below + 1][channel] - stops[below][channel]);
  return [mixed(0), mixed(1), mixed(2)];
}

/**
 * Lays the map over a picture, in place.
 *
 * @param pixels RGB, [height, width, 3].
 */
export function drawHeatMap(pixels: Uint8Array, width: number, height: number, { rows, columns, levels, framed }: HeatMap): void {
  const colours = Array.from({ length: 256 }, (_, level) => colour(level));
  const cellAt = (x: number, y: number) => Math.floor((y * rows) / height) * columns + Math.floor((x * columns) / width);
  const frame = Math.max(1, Math.round(Math.min(width / columns, height / rows) / 16));
  const isFrame = (x: number, y: number) => {
    for (const [dx, dy] of [[-frame, 0], [frame, 0], [0, -frame], [0, frame], [-frame, -frame], [frame, frame], [-frame, frame], [frame, -frame]]) {
      const isOutside = x + dx < 0 || x + dx >= width || y + dy < 0 || y + dy >= height;
      if (isOutside || !framed[cellAt(x + dx, y + dy)]) return true;
    }
    return false;
  };
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 3) {
      const cell = cellAt(x, y);
      const isWhite = framed[cell] === 1 && isFrame(x, y);
      const over = colours[levels[cell]];
      for (let channel = 0; channel < 3; channel++) {
        pixels[at + channel] = isWhite ? 255 : Math.round((1 - share) * pixels[at + channel] + share * over[channel]);
      }
    }
  }
}
