import type { TritonClient } from '@touchstone/triton-client';
import { join } from 'node:path';

import type { TextEmbeddingModel } from './embedding-model.ts';
import { versionOf, type ModelEntry } from './manifest.ts';
import { ModelNotReady } from './models.errors.ts';
import { textBatches, type BatchLimits, type TextBatch } from './text-batches.ts';
import { tokenTensors } from './token-tensors.ts';
import { TextTokenizer } from './tokenizer.ts';
import { callModel, unitRows } from './triton-call.ts';

/** Texts by a logical model of texts: tokens out, pooled vectors back. */
export class TritonTextEmbedding implements TextEmbeddingModel {
  readonly version: string;
  readonly dimension: number;
  readonly prefixes: readonly number[];
  private readonly limits: BatchLimits;
  private readonly tokenizerFile: string;
  private readonly hasSpecialTokens: boolean;
  private readonly paddingId: number | undefined;
  private readonly output: string;
  private tokenizer: Promise<TextTokenizer> | undefined;

  constructor(
    private readonly triton: TritonClient,
    readonly name: string,
    entry: ModelEntry,
    repository: string,
  ) {
    this.version = versionOf(entry);
    this.dimension = entry.dimension;
    this.prefixes = entry.prefixes;
    this.hasSpecialTokens = entry.hasSpecialTokens;
    this.paddingId = entry.paddingId;
    this.output = entry.output;
    const { batch: rows, maximumTokens = 512, tokensABatch: tokens = rows * maximumTokens } = entry;
    this.limits = { rows, tokens, maximumTokens };
    this.tokenizerFile = join(repository, name, 'tokenizer.json');
  }

  async embed(inputs: readonly string[], { signal }: { signal?: AbortSignal } = {}): Promise<Float32Array[]> {
    signal?.throwIfAborted();
    const tokenizer = await this.openTokenizer();
    const ids = inputs.map((text) => tokenizer.encode(text));
    const lengths = ids.map((tokens) => (this.paddingId === undefined ? tokens.length : this.limits.maximumTokens));

    const vectors = new Array<Float32Array>(inputs.length);
    const embedBatch = async (batch: TextBatch) => {
      const outputs = await callModel(this.triton, this.name, tokenTensors(batch, ids, this.paddingId), { outputs: [this.output], signal });
      unitRows(outputs[this.output], this.dimension).forEach((vector, row) => (vectors[batch.rows[row]] = vector));
    };
    await Promise.all(textBatches(lengths, this.limits).map(embedBatch));
    return vectors;
  }

  async countTokens(texts: readonly string[]): Promise<number[]> {
    const tokenizer = await this.openTokenizer();
    return texts.map((text) => tokenizer.encode(text).length);
  }

  /** Opened at the first call, since weights may come later; a failure is not kept. */
  private openTokenizer(): Promise<TextTokenizer> {
    this.tokenizer ??= TextTokenizer.open(this.tokenizerFile, this.limits.maximumTokens, this.hasSpecialTokens).catch((cause: Error) => {
      this.tokenizer = undefined;
      throw new ModelNotReady(this.name, `its tokenizer cannot be read (${cause.message}); run: touchstone models pull ${this.name}`, 5, { cause });
    });
    return this.tokenizer;
  }
}
