import OpenAI from 'openai';
import { expect, it } from 'vitest';
import { api, newCollection, platform } from './api.ts';

const client = (key: keyof typeof platform.keys = 'first') => new OpenAI({ baseURL: `${platform.url}/v1`, apiKey: platform.keys[key], maxRetries: 0 });
const dot = (one: readonly number[], other: readonly number[]) => one.reduce((sum, value, index) => sum + value * other[index], 0);

it('the client of OpenAI gets vectors that say what is similar, packed (its default) or not', async () => {
  const input = ['A cat sleeps on the sofa.', 'A kitten naps on the couch.', 'The central bank raised interest rates.'];
  const packed = await client().embeddings.create({ model: 'embed-text', input });
  const plain = await client().embeddings.create({ model: packed.model, input, encoding_format: 'float' });
  const [cat, kitten, bank] = plain.data.map(({ embedding }) => embedding);
  expect(packed.data.map(({ embedding }) => [...embedding])).toEqual(plain.data.map(({ embedding }) => embedding.map(Math.fround)));
  expect(dot(cat, cat)).toBeCloseTo(1, 5);
  expect(dot(cat, kitten)).toBeGreaterThan(dot(cat, bank) + 0.3);
  expect(plain.data.map(({ index }) => index)).toEqual([0, 1, 2]);
});

it('they are the vectors by which a collection is searched', async () => {
  const collection = await newCollection();
  await api().post(`${collection}/items:upsert`, { items: [{ id: 'cat', title: 'A cat sleeps on the sofa.' }] }).expect(200);
  const { data } = await client().embeddings.create({ model: 'embed-text', input: 'A cat sleeps on the sofa.', encoding_format: 'float' });
  const { body } = await api().post(`${collection}/search`, { query: { vector: data[0].embedding, space: 'text' } });
  expect(body.hits?.[0], JSON.stringify(body)).toMatchObject({ id: 'cat' });
  expect(body.hits[0].score).toBeCloseTo(1, 2);
});

it('counts the tokens that the model reads', async () => {
  const usage = async (input: string | string[]) => (await client().embeddings.create({ model: 'embed-text', input })).usage;
  expect(await usage('cat')).toEqual({ prompt_tokens: 3, total_tokens: 3 }); // [CLS] cat [SEP]
  expect(await usage(['cat', 'cat cat'])).toEqual({ prompt_tokens: 7, total_tokens: 7 });
});

it.each([
  ['an unknown model', { model: 'text-embedding-3-small', input: 'a' }, OpenAI.NotFoundError, { param: 'model', code: 'model_not_found' }],
  ['an empty input', { model: 'embed-text', input: [] }, OpenAI.BadRequestError, { param: 'input', code: 'invalid_request' }],
  ['another dimension', { model: 'embed-text', input: 'a', dimensions: 12 }, OpenAI.UnprocessableEntityError, { param: 'dimensions', code: 'wrong_dimension' }],
])('the client understands the refusal of %s', async (_, request, type, error) => {
  const call = client().embeddings.create(request);
  await expect(call).rejects.toBeInstanceOf(type);
  await expect(call).rejects.toMatchObject({ type: 'invalid_request_error', ...error });
});

it.each([
  ['a key that is revoked', 'revoked' as const, OpenAI.AuthenticationError, 'unauthenticated'],
  ['a key without the scope', 'reader' as const, OpenAI.PermissionDeniedError, 'scope_missing'],
])('the client understands the refusal of %s', async (_, key, type, code) => {
  const call = client(key).embeddings.create({ model: 'embed-text', input: 'a' });
  await expect(call).rejects.toBeInstanceOf(type);
  await expect(call).rejects.toMatchObject({ code });
});
