import { Inject } from '@nestjs/common';
import { type Call, GrpcController, type Implementation, Problem, Reason, type Result } from '@touchstone/contracts';
import { EmbeddingService, type EmbedTextsRequest, type EmbedTextsResponseSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/embedding_pb';
import { ModelNotReady, type Models } from '@touchstone/models';
import { MODELS } from '../models.ts';
import { otherDimension, unknownModel } from './embedding.errors.ts';

@GrpcController(EmbeddingService)
export class EmbeddingController implements Implementation<typeof EmbeddingService> {
  constructor(@Inject(MODELS) private readonly models: Models) {}

  async embedTexts({ texts, model, dimension }: EmbedTextsRequest, { signal }: Call): Promise<Result<typeof EmbedTextsResponseSchema>> {
    const found = this.models.texts.find(({ name, version }) => model === name || model === version);
    if (!found) throw unknownModel(model, this.models.texts.map(({ name }) => name));
    const lengths = [...found.prefixes, found.dimension];
    if (dimension !== undefined && !lengths.includes(dimension)) throw otherDimension(dimension, lengths);
    try {
      const [vectors, tokens] = await Promise.all([found.embed(texts, { signal }), found.countTokens(texts)]);
      return { model: found.version, vectors: vectors.map((vector, index) => ({ values: [...prefix(vector, dimension)], tokens: tokens[index] })) };
    } catch (error) {
      if (!(error instanceof ModelNotReady)) throw error;
      throw new Problem({ reason: Reason.MODEL_NOT_READY, detail: error.message, retryAfterSeconds: error.retryAfterSeconds }, { cause: error });
    }
  }
}

/** The first numbers of a vector, of length 1 again. */
function prefix(vector: Float32Array, dimension = vector.length): Float32Array {
  if (dimension === vector.length) return vector;
  const values = vector.subarray(0, dimension);
  const length = Math.hypot(...values);
  return length === 0 ? values : values.map((value) => value / length);
}
