import { expect, it } from 'vitest';
import { readEmbeddingsRequest } from './embeddings-request.ts';

it.each([
  [{ model: 'embed-text', input: 'a' }, { model: 'embed-text', texts: ['a'], encoding: 'float' }],
  [{ model: 'm', input: ['a', 'b'], encoding_format: 'base64', dimensions: 384, user: 'u' }, { model: 'm', texts: ['a', 'b'], encoding: 'base64', dimensions: 384 }],
])('reads %j', (body, expected) => expect(readEmbeddingsRequest(body)).toEqual(expected));

it.each<[unknown, string[]]>([
  [null, ['']],
  [[], ['']],
  ['text', ['']],
  [{}, ['/model', '/input']],
  [{ model: '', input: '' }, ['/model', '/input/0']],
  [{ model: 'm', input: [] }, ['/input']],
  [{ model: 'm', input: Array(257).fill('a') }, ['/input']],
  [{ model: 'm', input: [[1, 2]] }, ['/input/0']],
  [{ model: 'm', input: [1] }, ['/input/0']],
  [{ model: 'm', input: ['a', 'x'.repeat(20_001), '\ud800'] }, ['/input/1', '/input/2']],
  [{ model: 'm', input: 'a', encoding_format: 'int8' }, ['/encoding_format']],
  [{ model: 'm', input: 'a', dimensions: 1.5 }, ['/dimensions']],
  [{ model: 'm', input: 'a', dimensions: null }, ['/dimensions']],
  [{ model: 'm', input: 'a', user: 1 }, ['/user']],
  [{ model: 'm', input: 'a', tenantId: 'x' }, ['/tenantId']],
])('refuses %j', (body, pointers) => {
  expect(() => readEmbeddingsRequest(body)).toThrow(expect.objectContaining({ violations: pointers.map((pointer) => expect.objectContaining({ pointer })) }));
});
