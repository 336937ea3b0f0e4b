import type { TritonClient } from '@touchstone/triton-client';
import { join } from 'node:path';

import type { JointEmbeddingModel, NoteInput } from './embedding-model.ts';
import { isPinned, versionOf, type FreeSize, type ModelEntry } from './manifest.ts';
import { ModelNotReady } from './models.errors.ts';
import { patchTensors, type FreePicture } from './picture-patches.ts';
import type { PictureProcesses } from './picture-processes.ts';
import { ropePositions } from './rope-positions.ts';
import { TextTokenizer } from './tokenizer.ts';
import { callModel, unitRows } from './triton-call.ts';
import { imagePad, promptIds } from './vision-prompt.ts';

/** Share of a sequence that is left to texts, however many pictures a note has. */
const textShare = 0.25;

/** Calls on their way at once; one may have 200 MB of patches. */
const atOnce = 2;

/**
 * Texts, pictures and notes by one model that reads them as one sequence: Qwen3-VL-Embedding. Each input is a request of its own,
 * because sequences and pictures have a length of their own: `input_ids` INT64 [tokens], `position_ids` INT64 [3, tokens],
 * `pixel_values` FP32 [patches, 3 · frames · patch²], `image_grid_thw` INT64 [pictures, 3]; back comes `vector` FP32 [1, dimension].
 */
export class TritonNoteEmbedding implements JointEmbeddingModel {
  readonly version: string;
  readonly dimension: number;
  readonly prefixes: readonly number[];
  readonly isPinned: boolean;
  private readonly maximumTokens: number;
  private readonly instruction: string;
  private readonly freeSize: FreeSize;
  private readonly output: string;
  private readonly tokenizerFile: string;
  private tokenizer: Promise<TextTokenizer> | undefined;

  constructor(
    private readonly triton: TritonClient,
    readonly name: string,
    entry: ModelEntry,
    repository: string,
    private readonly pictures: PictureProcesses,
  ) {
    const { freeSize, instruction, maximumTokens } = entry;
    if (!freeSize || !instruction || !maximumTokens) throw new Error(`the manifest does not say how ${name} reads a note (freeSize, instruction, maximumTokens)`);
    this.version = versionOf(entry);
    this.dimension = entry.dimension;
    this.prefixes = entry.prefixes;
    this.isPinned = isPinned(entry);
    this.maximumTokens = maximumTokens;
    this.instruction = instruction;
    this.freeSize = freeSize;
    this.output = entry.output;
    this.tokenizerFile = join(repository, name, 'tokenizer.json');
  }

  /** All pictures are prepared before the first input is embedded, so that a refused one costs no inference. */
  async embed(inputs: readonly NoteInput[], { signal }: { signal?: AbortSignal } = {}): Promise<Float32Array[]> {
    signal?.throwIfAborted();
    const tokenizer = await this.openTokenizer();
    const firsts = inputs.map((_, at) => inputs.slice(0, at).reduce((sum, { pictures }) => sum + pictures.length, 0));
    const prepared = await Promise.all(inputs.map(({ pictures }, at) => this.prepare(pictures, firsts[at], signal)));

    const vectors = new Array<Float32Array>(inputs.length);
    const queue = inputs.entries();
    const work = async () => {
      for (const [at, { text }] of queue) vectors[at] = await this.embedOne(tokenizer, text, prepared[at], signal);
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    return vectors;
  }

  /** Many pictures of a note are made smaller, so that all of them and the text are read. */
  private prepare(files: readonly Uint8Array[], first: number, signal?: AbortSignal): Promise<FreePicture[]> {
    const { patch, merge, minimumPixels, maximumPixels } = this.freeSize;
    const factor = patch * merge;
    const tokens = Math.floor((this.maximumTokens * (1 - textShare)) / Math.max(1, files.length));
    const bounds = { factor, minimumPixels, maximumPixels: Math.max(minimumPixels, Math.min(maximumPixels, tokens * factor * factor)) };
    return Promise.all(files.map((bytes, index) => this.pictures.prepareFree(bytes, bounds, first + index, signal)));
  }

  private async embedOne(tokenizer: TextTokenizer, text: string, pictures: readonly FreePicture[], signal?: AbortSignal): Promise<Float32Array> {
    const { freeSize, instruction, maximumTokens, output } = this;
    const factor = freeSize.patch * freeSize.merge;
    const grids = pictures.map(({ width, height }) => ({ rows: height / factor, columns: width / factor }));
    const ids = promptIds(tokenizer, { instruction, text, pictures: grids.map(({ rows, columns }) => rows * columns), maximumTokens });
    const inputs = {
      input_ids: { shape: [ids.length], data: BigInt64Array.from(ids, BigInt) },
      position_ids: { shape: [3, ids.length], data: ropePositions(ids, tokenizer.idOf(imagePad), grids) },
      ...patchTensors(pictures, freeSize),
    };
    const outputs = await callModel(this.triton, this.name, inputs, { outputs: [output], signal });
    const [vector] = unitRows(outputs[output], this.dimension);
    return vector;
  }

  /** Opened at the first call, since weights may come later; a failure is not kept. */
  private openTokenizer(): Promise<TextTokenizer> {
    this.tokenizer ??= TextTokenizer.open(this.tokenizerFile, this.maximumTokens).catch((cause: Error) => {
      this.tokenizer = undefined;
      throw new ModelNotReady(this.name, `its tokenizer cannot be read (${cause.message}); run: touchstone models pull ${this.name}`, 5, { cause });
    });
    return this.tokenizer;
  }
}
