import { seededRandom } from '@touchstone/runtime/random';
import { describe, expect, it } from 'vitest';
import { foreignContent } from './foreign-content.ts';

const noise = (bytes: number, random: () => number) => Uint8Array.from({ length: bytes }, () => random() * 256);
const zip = (comment: string) => {
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([Buffer.from('PK\x03\x04 a file '), end, Buffer.from(comment)]);
};

describe('is found', () => {
  const seed = 3;
  const random = seededRandom(seed);
  const picture = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), noise(100_000, random), Buffer.from([0xff, 0xd9])]);
  const within = (text: string) => Buffer.concat([picture.subarray(0, 50_000), Buffer.from(text), picture.subarray(50_000)]);

  it.each<[string, Uint8Array, string]>([
    ['a script in a comment', within('<SCRIPT>alert(1)</SCRIPT>'), 'HTML'],
    ['a page behind a picture', Buffer.concat([picture, Buffer.from('<!DocType html><html>')]), 'HTML'],
    ['a page after some space', within('<!DOCTYPE\n  HTML>'), 'HTML'],
    ['PHP', within('<?php system($_GET[0]);'), 'PHP'],
    ['a drawing', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'), 'SVG'],
    ['a PDF in the head', Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xfe, 0, 40]), Buffer.from('%PDF-1.4'), picture]), 'PDF'],
    ['an archive behind a picture', Buffer.concat([picture, zip('')]), 'ZIP'],
    ['an archive with a comment', Buffer.concat([picture, zip('PK\x05\x06 looks like another')]), 'ZIP'],
  ])('%s', (_, file, expected) => expect(foreignContent(file), `seed ${seed}`).toBe(expected));

  it.each([
    ['noise', picture],
    ['nothing', new Uint8Array()],
    ['a picture behind a picture, as cameras write them', Buffer.concat([picture, picture])],
    ['a film behind a picture', Buffer.concat([picture, Buffer.from('\0\0\0\x18ftypmp42')])],
    ['words of a directory whose comment does not end the file', Buffer.concat([picture, zip('a'), Buffer.from('b')])],
    ['a printer’s settings, as Photoshop writes them', within('<?xml version="1.0"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN">')],
    ['four letters by chance', within('<SvG\x80')],
    ['metadata', within('<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF/>')],
  ])('not in %s', (_, file) => expect(foreignContent(file), `seed ${seed}`).toBeUndefined());
});
