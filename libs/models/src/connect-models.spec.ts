import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

import { connectModels, ModelNotReady, readManifest, versionOf } from './index.ts';

it('is there without weights and without a server, and says what is missing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'models-'));
  const models = connectModels({ url: `unix:${folder}/nobody`, repository: folder });
  try {
    expect(models.text.dimension).toBe(384);
    expect(models.text.version).toMatch(/^all-minilm-l6-v2-int8@[0-9a-f]{12}$/);
    const notReady = await models.text.embed(['a']).catch((error) => error);
    expect(notReady).toBeInstanceOf(ModelNotReady);
    expect(notReady).toMatchObject({ model: 'embed-text', retryAfterSeconds: 5 });
    expect(notReady.message).toContain('touchstone models pull');
    for (const { isReady, reason } of await models.ready()) {
      expect(isReady).toBe(false);
      expect(reason).toContain('no answer from the model server');
    }
  } finally {
    await models.close();
    await rm(folder, { recursive: true, force: true });
  }
});

it('reads a manifest in which every file has a licence and a source, and a digest and a size unless it is unproven', () => {
  for (const entry of Object.values(readManifest('laptop'))) {
    if (!entry.isUnproven) expect(versionOf(entry)).toMatch(/@[0-9a-f]{12}$/);
    for (const { licence, sha256, bytes } of entry.files) {
      expect(licence).not.toBe('');
      expect([sha256, bytes].every((pin) => entry.isUnproven || pin !== undefined)).toBe(true);
    }
    expect(entry.isOptional).toBe(entry.isOptional || entry.isUnproven);
  }
  expect(readManifest('triton-cpu-test')).toEqual(readManifest('laptop'));
  expect(() => readManifest('nowhere')).toThrow('has no overlay nowhere; it has laptop');
});

it('keeps the models of a joint space apart from the versions of the others', async () => {
  const models = connectModels({ url: 'unix:/nobody', repository: '/nowhere' });
  try {
    expect(models.joint).toMatchObject({ text: { name: 'embed-joint-text', dimension: 768 }, image: { name: 'embed-joint-image', dimension: 768 } });
    expect([...models.texts, ...models.images].map(({ name }) => name).filter((name) => name.includes('joint'))).toEqual([]);
  } finally {
    await models.close();
  }
});
