import { expect, it } from 'vitest';
import { readSafetensors } from './safetensors.ts';

// What Python's safetensors.numpy.save made of {"tokens": [[1.5, -2], [0, 4]], "indices": [3, 7]} with metadata, and of a float64.
const file = Buffer.from(
  'oAAAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJtYWRlIjoiYnkgaGFuZCJ9LCJ0b2tlbnMiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzIsMl0sImRhdGFfb2Zmc2V0cyI6WzAsMTZdfSwi' +
    'aW5kaWNlcyI6eyJkdHlwZSI6IkkzMiIsInNoYXBlIjpbMl0sImRhdGFfb2Zmc2V0cyI6WzE2LDI0XX19ICAgAADAPwAAAMAAAAAAAACAQAMAAAAHAAAA',
  'base64',
);
const doubles = Buffer.from('OAAAAAAAAAB7IngiOnsiZHR5cGUiOiJGNjQiLCJzaGFwZSI6WzFdLCJkYXRhX29mZnNldHMiOlswLDhdfX0gIAAAAAAAAPA/', 'base64');

it('reads what Python wrote', () =>
  expect(readSafetensors(file)).toEqual({ tokens: { shape: [2, 2], data: Float32Array.of(1.5, -2, 0, 4) }, indices: { shape: [2], data: Int32Array.of(3, 7) } }));

it.each([
  ['another type', doubles, 'tensor x is F64'],
  ['a file that is cut short', file.subarray(0, -1), 'cut short'],
  ['a picture', Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), 'no safetensors file'],
  ['nothing', Buffer.of(), 'no safetensors file'],
])('refuses %s', (_, bytes, words) => expect(() => readSafetensors(bytes)).toThrow(words));
