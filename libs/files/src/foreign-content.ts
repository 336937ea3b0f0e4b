/**
 * Beginnings of what browsers and servers run. Photoshop writes a printer's settings with a `<!DOCTYPE plist`, and in 6 MB of a
 * JPEG's noise `<svg` alone stands by chance once in 80 files.
 */
const markup: readonly [RegExp, string][] = [
  [/^<(script|html|iframe|!doctype\s+html)/i, 'HTML'],
  [/^<svg[\s/>:]/i, 'SVG'],
  [/^<\?php/i, 'PHP'],
];
const longestMarkup = '<!doctype html'.length + 16; // with some more space between its words

const pdfSearchBytes = 1024; // readers look for the header that far
const zipEndBytes = 22;
const zipCommentBytes = 65_535;

/**
 * What a picture file would be taken for by a program that looks for something else in it: HTML, SVG or PHP anywhere, a PDF's
 * header at the beginning, a ZIP's directory (also a JAR's) at the end. Pictures and films that cameras put behind a JPEG are
 * no matter.
 *
 * @returns its name, or undefined when the file is nothing but a picture or nothing we know.
 */
export function foreignContent(file: Uint8Array): string | undefined {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (bytes.subarray(0, pdfSearchBytes).includes('%PDF-')) return 'PDF';
  if (isZip(bytes)) return 'ZIP';
  for (let at = bytes.indexOf(0x3c); at >= 0; at = bytes.indexOf(0x3c, at + 1)) {
    const text = bytes.toString('latin1', at, at + longestMarkup);
    const found = markup.find(([beginning]) => beginning.test(text));
    if (found) return found[1];
  }
  return undefined;
}

/** Whether a directory of a ZIP ends the file: its last record says how long the comment behind it is. */
function isZip(bytes: Buffer): boolean {
  const first = Math.max(0, bytes.length - zipEndBytes - zipCommentBytes);
  for (let at = bytes.lastIndexOf('PK\x05\x06'); at >= first; at = at === 0 ? -1 : bytes.lastIndexOf('PK\x05\x06', at - 1)) {
    if (at + zipEndBytes <= bytes.length && at + zipEndBytes + bytes.readUInt16LE(at + 20) === bytes.length) return true;
  }
  return false;
}
