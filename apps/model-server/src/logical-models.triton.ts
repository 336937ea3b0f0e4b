import { connectModels, type Models } from '@touchstone/models';
import { pulledModels } from '@touchstone/testing';
import { afterAll, expect, it, vi } from 'vitest';

import type { InferenceServer } from './inference-server.contract.ts';
import { logicalModelsContract } from './logical-models.contract.ts';
import { cosine, pictures, texts } from './samples.ts';
import { modelServer, triton } from './tested-servers.ts';

logicalModelsContract(triton);

const stops: (() => Promise<void>)[] = [];
afterAll(() => Promise.all(stops.map((stop) => stop())));

async function modelsOn({ overlay, start }: InferenceServer): Promise<Models> {
  const repository = await pulledModels(overlay);
  const { url, stop } = await start(repository);
  const models = connectModels({ url, repository, overlay });
  stops.push(() => models.close().then(stop));
  await vi.waitFor(async () => expect((await models.ready()).filter(({ isOptional }) => !isOptional).every(({ isReady }) => isReady)).toBe(true), 120_000);
  return models;
}

it('gives the same vectors on both servers, and keeps the same tokens, under the same versions', async () => {
  const [ours, theirs] = [await modelsOn(modelServer), await modelsOn(triton)];
  expect(theirs.text.version).toBe(ours.text.version);
  expect(theirs.image.version).toBe(ours.image.version);
  expect(theirs.encoder!.version).toBe(ours.encoder!.version);

  const cosines: number[] = [];
  for (const text of texts) cosines.push(cosine(...([await ours.text.embed([text]), await theirs.text.embed([text])].flat() as [Float32Array, Float32Array])));
  for (const picture of pictures) cosines.push(cosine(...([await ours.image.embed([picture]), await theirs.image.embed([picture])].flat() as [Float32Array, Float32Array])));
  const encode = (models: Models) => models.encoder!.encode(pictures, { kept: 28, outputs: ['scores'] });
  const [own, encoded] = [await encode(ours), await encode(theirs)];
  encoded.forEach(({ indices, scores }, picture) => {
    expect(indices).toEqual(own[picture].indices);
    scores.forEach((score, token) => expect(score).toBeCloseTo(own[picture].scores[token], 5));
  });
  console.log(`least cosine between the servers: ${Math.min(...cosines)}`);
  expect(Math.min(...cosines)).toBeGreaterThan(0.9999);
});
