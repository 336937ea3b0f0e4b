import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type LockedPackage, readSources, thirdParty, thirdPartyFile } from './third-party.ts';

const withPackage = (name: string, locked: LockedPackage) => () => thirdParty({ packages: { [`node_modules/${name}`]: { version: '1.0.0', ...locked } }, manifest: {} });
const withWeights = (licence: string, sha256?: string) => () =>
  thirdParty({ packages: {}, manifest: { laptop: { 'embed-text': { weights: 'some', files: [{ path: '1/model.onnx', bytes: 1, sha256, licence, sources: [] }] } } } });

it('THIRD_PARTY.md is what the lockfile and the manifest say: else npm run licences, look at the difference, commit', () => {
  expect(readFileSync(thirdPartyFile, 'utf8')).toBe(thirdParty(readSources()));
});

it.each([
  ['a licence that is not in the list', { license: 'GPL-3.0-only' }],
  ['a package with both a good and a bad one', { license: 'MIT AND SSPL-1.0' }],
  ['a library that only sharp may load', { license: 'LGPL-3.0-or-later' }],
  ['a package that says none', {}],
])('refuses %s', (_, locked) => expect(withPackage('somebody', locked)).toThrow(/somebody: (\S|no licence)/));

it('takes one of two licences', () => expect(withPackage('somebody', { license: '(MIT OR GPL-2.0-only)' })()).toContain('- somebody 1.0.0'));
it('does not look at development tools', () => expect(withPackage('somebody', { license: 'GPL-3.0-only', dev: true })()).not.toContain('somebody'));

it.each(['CC-BY-NC-4.0', '', 'MIT (package); OpenRAIL-M (weights)'])('refuses weights under "%s"', (licence) =>
  expect(withWeights(licence)).toThrow('embed-text/1/model.onnx: '));

it('takes weights under the Llama 2 licence only while nobody pinned them', () => {
  const licence = 'Llama 2 Community License';
  expect(withWeights(licence)()).toContain(licence);
  expect(withWeights(licence, 'a'.repeat(64))).toThrow('embed-text/1/model.onnx: ');
});
