/** Grounds to put objects on, drawn from a seed: grass, bricks, gravel, sand. RGB, `size` × `size` pixels. */

export const textures = ['grass', 'bricks', 'gravel', 'sand'] as const;
export type Texture = (typeof textures)[number];

type Colour = readonly [number, number, number];
const clamp = (value: number) => Math.max(0, Math.min(255, Math.round(value)));

export function texture(kind: Texture, size: number, random: () => number): Uint8Array {
  return { grass, bricks, gravel, sand }[kind](size, random);
}

/** Short blades, one over the other. */
function grass(size: number, random: () => number): Uint8Array {
  const out = filled(size, () => [40, 80, 25]);
  for (let blade = 0; blade < size * 40; blade++) {
    const light = 0.5 + random();
    const colour: Colour = [70 * light, (110 + 50 * random()) * light, 40 * light];
    const [x, y, lean, length] = [random() * size, random() * (size + 12), (random() - 0.5) * 0.9, 5 + random() * 14];
    for (let step = 0; step < length; step++) put(out, size, Math.round(x + lean * step), Math.round(y - step), colour);
  }
  return out;
}

function bricks(size: number, random: () => number): Uint8Array {
  const [height, length, gap] = [14 + Math.floor(random() * 12), 34 + Math.floor(random() * 24), 2 + Math.floor(random() * 2)];
  const tones = Array.from({ length: 4096 }, () => 0.75 + 0.5 * random());
  const rough = noise(size, 3, random);
  return filled(size, (x, y) => {
    const row = Math.floor(y / height);
    const shifted = x + (row % 2) * (length / 2);
    const isGap = y % height < gap || shifted % length < gap;
    const tone = (isGap ? 1 : tones[(row * 61 + Math.floor(shifted / length)) % tones.length]) + 0.35 * (rough[y * size + x] - 0.5);
    return isGap ? [170 * tone, 165 * tone, 155 * tone] : [160 * tone, 75 * tone, 55 * tone];
  });
}

/** Stones are the cells around scattered points; their rims are dark. */
function gravel(size: number, random: () => number): Uint8Array {
  const cell = 9 + Math.floor(random() * 7);
  const side = Math.ceil(size / cell) + 3;
  const points = Array.from({ length: side * side }, () => ({ x: random(), y: random(), tone: 0.45 + 0.75 * random(), warmth: random() }));
  return filled(size, (x, y) => {
    const [column, row] = [Math.floor(x / cell) + 1, Math.floor(y / cell) + 1];
    let [nearest, next, stone] = [Infinity, Infinity, points[0]];
    for (let dy = -1; dy <= 1; dy++) {
      for (let dx = -1; dx <= 1; dx++) {
        const point = points[(row + dy) * side + column + dx];
        const distance = Math.hypot(x - (column + dx - 1 + point.x) * cell, y - (row + dy - 1 + point.y) * cell);
        if (distance < nearest) [next, nearest, stone] = [nearest, distance, point];
        else if (distance < next) next = distance;
      }
    }
    const light = stone.tone * Math.min(1, 0.35 + (next - nearest) / 4);
    return [(140 + 25 * stone.warmth) * light, 138 * light, (140 - 25 * stone.warmth) * light];
  });
}

function sand(size: number, random: () => number): Uint8Array {
  const [dunes, grains] = [noise(size, 48, random), noise(size, 2, random)];
  return filled(size, (x, y) => {
    const light = 0.7 + 0.35 * dunes[y * size + x] + 0.3 * (grains[y * size + x] - 0.5);
    return [215 * light, 185 * light, 140 * light];
  });
}

/** Smooth values in [0, 1) between random ones that are `cell` pixels apart. */
function noise(size: number, cell: number, random: () => number): Float32Array {
  const side = Math.ceil(size / cell) + 2;
  const lattice = Float32Array.from({ length: side * side }, random);
  const smooth = (share: number) => share * share * (3 - 2 * share);
  return Float32Array.from({ length: size * size }, (_, at) => {
    const [x, y] = [(at % size) / cell, Math.floor(at / size) / cell];
    const [column, row] = [Math.floor(x), Math.floor(y)];
    const [right, down] = [smooth(x - column), smooth(y - row)];
    const value = (dx: number, dy: number) => lattice[(row + dy) * side + column + dx];
    return (value(0, 0) * (1 - right) + value(1, 0) * right) * (1 - down) + (value(0, 1) * (1 - right) + value(1, 1) * right) * down;
  });
}

function filled(size: number, colour: (x: number, y: number) => Colour): Uint8Array {
  const out = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) put(out, size, x, y, colour(x, y));
  return out;
}

function put(out: Uint8Array, size: number, x: number, y: number, colour: Colour): void {
  if (x < 0 || y < 0 || x >= size || y >= size) return;
  colour.forEach((value, channel) => (out[(y * size + x) * 3 + channel] = clamp(value)));
}
