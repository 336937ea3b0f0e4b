import { expect, it } from 'vitest';
import { errorFields } from './index.ts';

it('tells of an error and its causes, and not with what parameters a statement failed', () => {
  const cause = Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (title)=(a secret)', parameters: ['a secret'] });
  const error = Object.assign(new TypeError('cannot save', { cause }), { code: 'E1', parameters: ['a secret'], query: 'insert' });
  const fields = errorFields(error);
  expect(fields).toEqual({ type: 'TypeError', message: 'cannot save: duplicate key', stack: expect.stringMatching(/^TypeError: cannot save\n[^]*caused by: Error: duplicate key\n/), code: 'E1' });
  expect(JSON.stringify(fields)).not.toContain('a secret');
});

it('tells of what is thrown and no error', () => expect(errorFields('lost')).toEqual({ type: 'string', message: 'lost' }));
