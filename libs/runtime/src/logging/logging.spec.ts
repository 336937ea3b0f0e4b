import { afterEach, expect, it, vi } from 'vitest';
import { errorFields, log, warnRepeatedly } from './index.ts';

afterEach(() => void vi.restoreAllMocks());

it('tells of an error and its causes, and not with what parameters a statement failed', () => {
  const cause = Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (title)=(a secret)', parameters: ['a secret'] });
  const error = Object.assign(new TypeError('cannot save', { cause }), { code: 'E1', parameters: ['a secret'], query: 'insert' });
  const fields = errorFields(error);
  expect(fields).toEqual({ type: 'TypeError', message: 'cannot save: duplicate key', stack: expect.stringMatching(/^TypeError: cannot save\n[^]*caused by: Error: duplicate key\n/), code: 'E1' });
  expect(JSON.stringify(fields)).not.toContain('a secret');
});

it('tells of what is thrown and no error', () => expect(errorFields('lost')).toEqual({ type: 'string', message: 'lost' }));

it('warns of what comes again with each call once in 30 s, and says how often it came', () => {
  let now = 1_000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const warn = vi.spyOn(log, 'warn').mockImplementation(() => undefined);
  for (let call = 0; call < 10; call += 1) warnRepeatedly({ call }, 'the sky is away');
  warnRepeatedly({}, 'the sea is away');
  now += 30_000;
  warnRepeatedly({ call: 10 }, 'the sky is away');
  expect(warn.mock.calls).toEqual([
    [{ call: 0 }, 'the sky is away'],
    [{}, 'the sea is away'],
    [{ call: 10, more: 9 }, 'the sky is away'],
  ]);
});
