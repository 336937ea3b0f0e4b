import { connectModels, PictureRefused, type Models } from '@touchstone/models';
import { pulledModels } from '@touchstone/testing';
import { TritonClient } from '@touchstone/triton-client';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import type { InferenceServer } from './inference-server.contract.ts';
import { cosine, pictures, texts } from './samples.ts';
import { visionEncoderContract } from './vision-encoder.contract.ts';

/** What CONTRACT.md of model-repository says of the logical models, over the real weights. */
export function logicalModelsContract(server: InferenceServer): void {
  describe(`the logical models on ${server.name}`, () => {
    let running: Awaited<ReturnType<InferenceServer['start']>>;
    let client: TritonClient;
    let models: Models;

    beforeAll(async () => {
      const repository = await pulledModels(server.overlay);
      running = await server.start(repository);
      client = new TritonClient(running.url);
      models = connectModels({ url: running.url, repository, overlay: server.overlay });
      await vi.waitFor(async () => expect((await models.ready()).filter(({ isOptional }) => !isOptional).map(({ reason }) => reason)).toEqual([undefined, undefined, undefined]), 120_000);
    }, 300_000);
    afterAll(async () => {
      client?.close();
      await models?.close();
      await running?.stop();
    });

    it.each([
      [
        'embed-text',
        [
          { name: 'input_ids', datatype: 'INT64', shape: [-1, -1] },
          { name: 'attention_mask', datatype: 'INT64', shape: [-1, -1] },
        ],
      ],
      ['embed-image', [{ name: 'pixel_values', datatype: 'FP32', shape: [-1, 3, 224, 224] }]],
    ])('has %s with the tensors of the contract', async (name, inputs) => {
      expect(await client.modelMetadata(name)).toMatchObject({ inputs, outputs: [{ name: 'vector', datatype: 'FP32', shape: [-1, 384] }] });
    });

    it('says which weights it has, and that they are ready', async () => {
      expect((await models.ready()).filter(({ isOptional }) => !isOptional)).toEqual([
        { name: 'embed-text', version: expect.stringMatching(/^all-minilm-l6-v2-int8@/), role: 'embedding', isReady: true, isOptional: false },
        { name: 'embed-image', version: expect.stringMatching(/^dinov2-s-saliency-layer-9@/), role: 'embedding', isReady: true, isOptional: false },
        { name: 'encode-vision', version: expect.stringMatching(/^dinov2-s-saliency-tokens@/), role: 'encoder', isReady: true, isOptional: false },
      ]);
    });

    it.each([
      ['texts', 0.99, () => models.text.embed(texts), () => oneByOne(models.text, texts)],
      ['pictures', 0.9999, () => models.image.embed(pictures), () => oneByOne(models.image, pictures)],
    ])('gives %s the same vectors of length 1 together and alone', async (_, least, together, alone) => {
      const [batch, single] = [await together(), await alone()];
      for (const [position, vector] of batch.entries()) {
        expect(cosine(vector, vector)).toBeCloseTo(1, 5);
        expect(cosine(vector, single[position])).toBeGreaterThan(least);
      }
    });

    it('gives many callers at once what it gives one', async () => {
      const single = await oneByOne(models.text, texts);
      const callers = Array.from({ length: 8 }, () => models.text.embed(texts));
      for (const vectors of await Promise.all(callers)) {
        for (const [position, vector] of vectors.entries()) expect(cosine(vector, single[position])).toBeGreaterThan(0.99);
      }
    });

    it('puts like next to like', async () => {
      const [cat, kitten, bank] = await models.text.embed(['A cat sleeps on the sofa', 'A kitten naps on the couch', 'The bank raised interest rates']);
      expect(cosine(cat, kitten)).toBeGreaterThan(cosine(cat, bank) + 0.3);
      const [stripes, moreStripes, disc] = await models.image.embed(pictures);
      expect(cosine(stripes, moreStripes)).toBeGreaterThan(cosine(stripes, disc));
    });

    visionEncoderContract(() => ({ client, models }));

    it('refuses what is no picture, and stops when the caller does', async () => {
      await expect(models.image.embed([pictures[0], Buffer.from('no picture')])).rejects.toThrow(PictureRefused);
      const gone = AbortSignal.abort(new Error('no longer wanted'));
      await expect(models.text.embed(['a'], { signal: gone })).rejects.toThrow('no longer wanted');
    });
  });
}

async function oneByOne<Input>(model: { embed(inputs: readonly Input[]): Promise<Float32Array[]> }, inputs: readonly Input[]): Promise<Float32Array[]> {
  const vectors: Float32Array[] = [];
  for (const input of inputs) vectors.push(...(await model.embed([input])));
  return vectors;
}
