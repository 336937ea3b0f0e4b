import { type Tensor, type TensorData, TritonClient } from '@touchstone/triton-client';
import type { PlacedPrompt } from './prompt.ts';

/** Rows of visual tokens, K × width numbers. */
export interface VisualTokens {
  readonly rows: Float32Array;
  readonly width: number;
}

export interface Answer {
  /** Without the token that ends it. */
  readonly ids: readonly number[];
  /** Of each call, one for each word of the vocabulary. */
  readonly logits: readonly Float32Array[];
  /** The call that reads the whole prompt. */
  readonly prefillMs: number;
  /** All later calls, one for each token of the answer after the first. */
  readonly decodeMs: number;
}

export interface AnswerOptions {
  readonly maximumTokens: number;
  /** Ends the answer. */
  readonly endId?: number;
  /** Which tokens of the prompt others may look at; all when absent. */
  readonly visible?: readonly boolean[];
}

/** The logical model `read-vision` of model-repository/CONTRACT.md on Triton or model-server. */
export class LanguageModel {
  private constructor(
    private readonly triton: TritonClient,
    private readonly model: string,
    private readonly emptyCache: Tensor,
  ) {}

  /** @throws TritonUnavailable, TritonUnknownModel while server or model are not there. */
  static async connect(url: string, model = 'read-vision'): Promise<LanguageModel> {
    const triton = new TritonClient(url, { timeoutMs: 120_000 });
    try {
      const { inputs } = await triton.modelMetadata(model);
      const cache = inputs.find(({ name }) => name === 'cache');
      if (cache === undefined) throw new Error(`${model} has no input cache; it has ${inputs.map(({ name }) => name).join(', ')}`);
      // What a cache is only its model knows: keys and values, or a number under which it keeps them. Empty, it has size 0.
      const shape = [1, ...cache.shape.slice(1).map((size) => (size === -1 ? 0 : size))];
      return new LanguageModel(triton, model, { shape, data: cache.datatype === 'INT64' ? new BigInt64Array() : new Float32Array() });
    } catch (error) {
      triton.close();
      throw error;
    }
  }

  /** The answer of the highest logits, token by token. */
  async answer({ inputIds, positionIds, nextPosition }: PlacedPrompt, visual: VisualTokens, { maximumTokens, endId, visible }: AnswerOptions): Promise<Answer> {
    const ids: number[] = [];
    const mask = (visible ?? inputIds.map(() => true)).map(Number);
    let started = performance.now();
    let step = await this.step(inputIds, positionIds, mask, visual, this.emptyCache);
    const prefillMs = performance.now() - started;
    const logits = [step.logits];

    started = performance.now();
    for (let position = nextPosition; ; position++) {
      const id = highest(step.logits);
      if (id === endId) break;
      ids.push(id);
      if (ids.length === maximumTokens) break;
      mask.push(1);
      step = await this.step([id], [position], mask, { rows: new Float32Array(), width: visual.width }, step.cache);
      logits.push(step.logits);
    }
    return { ids, logits, prefillMs, decodeMs: performance.now() - started };
  }

  close(): void {
    this.triton.close();
  }

  private async step(ids: readonly number[], positions: readonly number[], mask: readonly number[], { rows, width }: VisualTokens, cache: Tensor): Promise<{ logits: Float32Array; cache: Tensor }> {
    const outputs = await this.triton.infer(this.model, {
      input_ids: integers(ids),
      visual_tokens: { shape: [1, rows.length / width, width], data: rows },
      position_ids: integers(positions),
      attention_mask: integers(mask),
      cache,
    });
    return { logits: outputs.logits.data as Float32Array, cache: outputs.next_cache };
  }
}

const integers = (values: readonly number[]): { shape: number[]; data: TensorData } => ({ shape: [1, values.length], data: BigInt64Array.from(values, BigInt) });

/** Of equal ones the first. */
const highest = (logits: Float32Array): number => logits.reduce((best, value, id) => (value > logits[best] ? id : best), 0);
