import { createHash } from 'node:crypto';
import { seededRandom } from '@touchstone/runtime/random';
import { expect, it } from 'vitest';
import { kinds } from '../index/vector-index.ts';
import { type Place, readCursor, writeCursor } from './page-cursor.ts';

const request = ['tenant', 'notes', { text: 'a' }, { all: [] }];
const place: Place = { shown: 10, score: 0.1 + 0.2, id: 'a~b', part: 3, kind: 'ocr' };

it('gives back the place and the vector to the last bit', () => {
  const seed = 11;
  const random = seededRandom(seed);
  for (let round = 0; round < 500; round++) {
    const given: Place = { shown: Math.floor(random() * 1e6), score: (random() - 0.5) * 2 ** -Math.floor(random() * 40), id: `i${random()}`, part: Math.floor(random() * 32), kind: kinds[Math.floor(random() * 4)], ...(round % 2 ? { embedded: { space: 'text', vector: Float32Array.from({ length: 1 + (round % 9) }, () => random() - 0.5) } } : {}) };
    expect(readCursor(writeCursor(given, request), request), `seed ${seed}, round ${round}`).toEqual(given);
  }
});

it('is of no use to another request', () => {
  const cursor = writeCursor(place, request);
  expect(readCursor(cursor, request)).toEqual(place);
  expect(readCursor(cursor, ['tenant', 'notes', { text: 'b' }, { all: [] }])).toBeUndefined();
  expect(readCursor(cursor, ['other', 'notes', { text: 'a' }, { all: [] }])).toBeUndefined();
});

it('refuses what was altered anywhere, cut, or never given', () => {
  const cursor = writeCursor(place, request);
  for (let index = 0; index < cursor.length; index++) {
    const other = cursor[index] === 'A' ? 'B' : 'A';
    expect(readCursor(cursor.slice(0, index) + other + cursor.slice(index + 1), request), `character ${index}`).toBeUndefined();
    expect(readCursor(cursor.slice(0, index), request)).toBeUndefined();
  }
  for (const forged of ['', 'x', '0', Buffer.from('[1,0.5,"a",0,0]').toString('base64url'), `${cursor}=`, `${cursor}A`, ` ${cursor}`, 'ü'.repeat(40)]) {
    expect(readCursor(forged, request), forged).toBeUndefined();
  }
});

it('takes no nonsense, also with a check that is right', () => {
  const forge = (content: string) => {
    const check = createHash('sha256').update(JSON.stringify([3, request])).update(content).digest().subarray(0, 12);
    return Buffer.concat([check, Buffer.from(content)]).toString('base64url');
  };
  expect(readCursor(forge('[1,0.5,"a",0,0]'), request)).toEqual({ shown: 1, score: 0.5, id: 'a', part: 0, kind: 'text' });
  for (const content of ['', 'x', '{}', 'null', '[]', '[1,0.5,"a",0]', '[1,0.5,"a",0,4]', '[-1,0.5,"a",0,0]', '[1,"0.5","a",0,0]', '[1,0.5,7,0,0]', '[1,0.5,"a",0.5,0]', '[1,0.5,"a",0,0,"text"]', '[1,0.5,"a",0,0,"text","AAA="]']) {
    expect(readCursor(forge(content), request), content).toBeUndefined();
  }
});
