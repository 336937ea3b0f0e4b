import { seededRandom } from '@touchstone/runtime/random';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, LanguageModel, type VisualTokens } from './language-model.ts';
import { floatsOf, reference, referenceWeights } from './oracle/reference.ts';
import { type Positions, placePicture, withoutDropped } from './prompt.ts';
import { layLanguageModel, seededWeights, tinyShape } from './tiny-language-model.ts';

export interface LanguageModelServer {
  readonly name: string;
  /** Makes of a repository for ONNX Runtime what the server takes, and starts it. */
  start(repository: string): Promise<{ url: string; stop(): Promise<void> }>;
}

const farthest = (one: Answer, other: Answer) => Math.max(...one.logits.flatMap((logits, step) => [...logits].map((value, id) => Math.abs(value - other.logits[step][id]))));

/** Which server of models runs the language model makes no difference. */
export function languageModelContract({ name, start }: LanguageModelServer): void {
  describe(name, () => {
    let repository: string;
    let server: { url: string; stop(): Promise<void> };
    const seed = 7;
    const tiny = tinyShape(48);

    beforeAll(async () => {
      repository = await mkdtemp(join(tmpdir(), 'language-model-'));
      await layLanguageModel(repository, reference.shape, referenceWeights, 'reference');
      await layLanguageModel(repository, tiny, seededWeights(seed));
      server = await start(repository);
    });
    afterAll(async () => {
      await server?.stop();
      await rm(repository, { recursive: true, force: true });
    });

    async function withModel<T>(use: (model: LanguageModel) => Promise<T>, model?: string): Promise<T> {
      const connected = await LanguageModel.connect(server.url, model);
      try {
        return await use(connected);
      } finally {
        connected.close();
      }
    }

    const { shape, prompt, tokens } = reference;
    const picture = floatsOf(tokens);
    const rowsOf = (all: Float32Array, width: number, kept: readonly number[]): VisualTokens => ({ rows: Float32Array.from(kept.flatMap((token) => [...all.subarray(token * width, (token + 1) * width)])), width });

    it.each(reference.runs)('answers as Hugging Face’s LLaVA does: $name', async ({ kept, positions, answer, logits }) => {
      const placed = placePicture(prompt, shape.pictureId, { kept, tokens: tokens.dims[0] }, positions);
      const own = await withModel((model) => model.answer(placed, rowsOf(picture, shape.visualWidth, kept), { maximumTokens: answer.length }), 'reference');
      expect(own.ids).toEqual(answer);
      const theirs = floatsOf(logits);
      expect(own.logits).toHaveLength(answer.length);
      own.logits.flatMap((step) => [...step]).forEach((value, at) => expect(Math.abs(value - theirs[at])).toBeLessThan(1e-5));
    });

    it('refuses one visual token too few', async () => {
      const placed = placePicture(prompt, shape.pictureId, { kept: [1, 2], tokens: tokens.dims[0] });
      await expect(withModel((model) => model.answer(placed, rowsOf(picture, shape.visualWidth, [1]), { maximumTokens: 1 }), 'reference')).rejects.toThrow(/out of.*bounds|index/i);
    });

    describe('of a picture of 256 tokens', () => {
      const count = 256;
      const random = seededRandom(seed);
      const all = Float32Array.from({ length: count * tiny.visualWidth }, () => 2 * random() - 1);
      const every = Array.from({ length: count }, (_, token) => token);
      const kept = every.filter(() => random() < 0.11);
      const ids = [256, ...Buffer.from('USER: '), tiny.pictureId, ...Buffer.from(' What is this? ASSISTANT:')];
      const read = (some: readonly number[], positions?: Positions) =>
        withModel((model) => model.answer(placePicture(ids, tiny.pictureId, { kept: some, tokens: count }, positions), rowsOf(all, tiny.visualWidth, some), { maximumTokens: 4 }));
      const hidingTheOthers = () => {
        const placed = placePicture(ids, tiny.pictureId, { kept: every, tokens: count });
        const visible = withoutDropped(placed, tiny.pictureId, kept);
        return withModel((model) => model.answer(placed, rowsOf(all, tiny.visualWidth, every), { maximumTokens: 4, visible }));
      };

      it('kept tokens at their positions give what the whole picture gives when nothing looks at the others', async () => {
        const [compressed, hidden] = [await read(kept), await hidingTheOthers()];
        expect(compressed.ids).toEqual(hidden.ids);
        expect(farthest(compressed, hidden)).toBeLessThan(1e-5);
      });

      it('renumbered, they do not', async () => {
        expect(farthest(await read(kept, 'sequential'), await hidingTheOthers())).toBeGreaterThan(0.01);
      });

      it('all tokens kept are the picture as it was, bit for bit, however positions are counted', async () => {
        const [own, sequential] = [await read(every), await read(every, 'sequential')];
        expect(own.logits).toEqual(sequential.logits);
      });
    });
  });
}
