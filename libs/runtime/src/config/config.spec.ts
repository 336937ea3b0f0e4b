import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { checkSettings, ConfigurationError, gatherSettings } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'touchstone-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

const shape = { PORT: z.coerce.number().int().default(8080), HOST: z.string().default('here'), URL: z.url().optional() };
const names = Object.keys(shape);
const fileWith = (text: string) => {
  const file = join(folder, 'settings.env');
  writeFileSync(file, text);
  return file;
};

it('takes the environment before the file and the file before defaults', () => {
  const given = gatherSettings(names, { PORT: '1', URL: '' }, fileWith('# comment\nPORT=2\nHOST="there"\n'));
  expect(given.sources).toEqual({ PORT: 'environment', HOST: 'file', URL: 'default' });
  expect(checkSettings(shape, given)).toEqual({ PORT: 1, HOST: 'there' });
});

describe('says what is wrong', () => {
  it.each([
    ['every wrong value at once', () => checkSettings(shape, gatherSettings(names, { PORT: 'x', URL: 'y' })), /PORT: .*\n *URL: /],
    ['a name in the file that is nearly right', () => gatherSettings(names, {}, fileWith('PROT=1')), /no setting PROT; did you mean PORT\?/],
    ['a name in the file that is far off', () => gatherSettings(names, {}, fileWith('SOMETHING=1')), /no setting SOMETHING$/],
    ['a file that is not there', () => gatherSettings(names, {}, join(folder, 'none')), /none cannot be read: ENOENT/],
  ])('%s', (_, read, message) => {
    expect(read).toThrow(ConfigurationError);
    expect(read).toThrow(message);
  });
});
