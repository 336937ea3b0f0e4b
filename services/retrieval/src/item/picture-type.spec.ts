import sharp from 'sharp';
import { expect, it } from 'vitest';
import { pictureType } from './picture-type.ts';

const picture = sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } });

it.each(['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif'] as const)('knows %s', async (format) => expect(pictureType(await picture.clone().toFormat(format).toBuffer())).toBe(`image/${format}`));

it('knows a TIFF of the other byte order', () => expect(pictureType(Buffer.from('MM\0*\0\0\0\x08', 'latin1'))).toBe('image/tiff'));

it.each([
  ['a page', Buffer.from('<html>')],
  ['a film in the same container as AVIF', Buffer.from('\0\0\0\x20ftypisom', 'latin1')],
  ['nothing', Buffer.of()],
])('calls %s bytes', (_, file) => expect(pictureType(file)).toBe('application/octet-stream'));
