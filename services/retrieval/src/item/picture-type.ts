/** How picture files begin: the text at a place, in Latin-1, and the media type (https://mimesniff.spec.whatwg.org, section 6.1; AVIF 1.1). */
const beginnings: readonly [number, string, string][] = [
  [0, '\xff\xd8\xff', 'image/jpeg'],
  [0, '\x89PNG\r\n\x1a\n', 'image/png'],
  [8, 'WEBP', 'image/webp'],
  [0, 'GIF8', 'image/gif'],
  [0, 'II*\0', 'image/tiff'],
  [0, 'MM\0*', 'image/tiff'],
  [4, 'ftypavi', 'image/avif'],
];

/** The media type of a picture file that we take; of another file, that it is bytes. */
export function pictureType(file: Uint8Array): string {
  const beginning = Buffer.from(file.buffer, file.byteOffset, file.byteLength).toString('latin1', 0, 16);
  return beginnings.find(([place, text]) => beginning.startsWith(text, place))?.[2] ?? 'application/octet-stream';
}
