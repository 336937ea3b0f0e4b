import { randomUUID } from 'node:crypto';
import supertest, { type Test } from 'supertest';
import { expect, inject } from 'vitest';

export const platform = inject('platform');

export type KeyName = keyof typeof platform.keys;

/** Calls the running platform with one of the keys of platform.setup.ts. */
export function api(key: KeyName = 'first') {
  const agent = supertest(platform.url);
  const withKey = (test: Test) => test.set('authorization', `Bearer ${platform.keys[key]}`);
  return {
    get: (path: string) => withKey(agent.get(path)),
    put: (path: string, body: object = {}) => withKey(agent.put(path)).send(body),
    post: (path: string, body: object) => withKey(agent.post(path)).send(body),
    delete: (path: string) => withKey(agent.delete(path)),
  };
}

/** A collection that no other test uses. */
export async function newCollection(key: KeyName = 'first', body: object = {}): Promise<string> {
  const path = `/v1/collections/test-${randomUUID()}`;
  await api(key).put(path, body).expect(200);
  return path;
}

/** Ids of the hits, best first. */
export async function search(path: string, body: object, key: KeyName = 'first'): Promise<string[]> {
  const answer = await api(key).post(`${path}/search`, body).expect(200);
  return answer.body.hits.map((hit: { id: string }) => hit.id);
}

/** Scans a collection for duplicates. @returns what the operation says when it is done. */
export async function scanDuplicates(path: string, body: object = {}, key: KeyName = 'first'): Promise<{ pairs: number; duplicates: number; items: number; pictures: number }> {
  const { headers } = await api(key).post(`${path}/duplicates:scan`, body).expect(202);
  await api(key).get(`${headers.location}:watch`).expect(200);
  const { state, result, problem } = (await api(key).get(headers.location).expect(200)).body;
  expect({ state, problem }).toEqual({ state: 'succeeded' });
  return result;
}
