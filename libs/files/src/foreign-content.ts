/** Beginnings of what browsers and servers run, in lower case. */
const markup: readonly [string, string][] = [
  ['<script', 'HTML'],
  ['<html', 'HTML'],
  ['<!doctype', 'HTML'],
  ['<iframe', 'HTML'],
  ['<svg', 'SVG'],
  ['<?php', 'PHP'],
];
const longestMarkup = Math.max(...markup.map(([text]) => text.length));

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
    const text = bytes.toString('latin1', at, at + longestMarkup).toLowerCase();
    const found = markup.find(([beginning]) => text.startsWith(beginning));
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
