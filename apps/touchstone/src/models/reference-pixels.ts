/** The same integers as `picture` of tools/joint-fixture.py and tools/qwen3-vl-fixture.py: RGB [height, width, 3]. */
export function referencePixels(width: number, height: number): Uint8Array {
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const red = Math.round(128 + 100 * Math.sin(x / 17) * Math.cos(y / 23));
      const blue = (Math.floor(x / 16) + Math.floor(y / 16)) % 2 === 0 ? 230 : 25;
      pixels.set([red, Math.floor((x * 7 + y * 3) / 4) % 256, blue], (y * width + x) * 3);
    }
  }
  return pixels;
}
