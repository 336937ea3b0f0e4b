import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

import { connectModels, modelRepositoryFolder, ModelNotReady, readManifest, versionOf } from './index.ts';

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
    expect(models.joints).toMatchObject([
      { name: 'embed-joint', dimension: 768, isPinned: false },
      { name: 'embed-joint-clip', dimension: 512, isPinned: false },
      { name: 'embed-joint-qwen3-vl', dimension: 2048, isPinned: false },
    ]);
    expect([...models.texts, ...models.images].map(({ name }) => name).filter((name) => name.includes('joint'))).toEqual([]);
    expect((await models.ready()).map(({ name }) => name)).toContain('embed-joint');
  } finally {
    await models.close();
  }
});

it('refuses a joint model that lacks a half', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'models-'));
  try {
    const manifest = join(folder, 'manifest.json');
    const { laptop } = JSON.parse(await readFile(new URL('manifest.json', modelRepositoryFolder), 'utf8'));
    delete laptop['embed-joint-image'];
    await writeFile(manifest, JSON.stringify({ laptop }));
    expect(() => connectModels({ url: 'unix:/nobody', repository: '/nowhere', manifest })).toThrow('embed-joint needs one model of texts and one of pictures, or one of notes');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it('keeps an encoder apart from models whose vectors are compared', async () => {
  const models = connectModels({ url: 'unix:/nobody', repository: '/nowhere' });
  try {
    expect(models.encoder).toMatchObject({ name: 'encode-vision', grid: { rows: 16, columns: 16 }, width: 384, layers: 8 });
    expect(models.encoder!.version).toMatch(/^dinov2-s-saliency-tokens@[0-9a-f]{12}$/);
    expect(models.images.map(({ name }) => name)).not.toContain('encode-vision');
    expect((await models.ready()).filter(({ role }) => role === 'encoder')).toMatchObject([{ name: 'encode-vision', isReady: false, isOptional: false }]);
  } finally {
    await models.close();
  }
});
