import { Inject } from '@nestjs/common';
import { type Call, GrpcController, type Implementation, Problem, Reason, type Result } from '@touchstone/contracts';
import { EmbeddingService, type EmbedTextsRequest, type EmbedTextsResponseSchema } from '@touchstone/contracts/gen/touchstone/retrieval/v1/embedding_pb';
import { ModelNotReady, type Models } from '@touchstone/models';
import { MODELS } from '../models.ts';
import { otherDimension, unknownModel } from './embedding.errors.ts';

const logicalName = 'embed-text';

@GrpcController(EmbeddingService)
export class EmbeddingController implements Implementation<typeof EmbeddingService> {
  constructor(@Inject(MODELS) private readonly models: Models) {}

  async embedTexts({ texts, model, dimension }: EmbedTextsRequest, { signal }: Call): Promise<Result<typeof EmbedTextsResponseSchema>> {
    const { text } = this.models;
    if (model !== logicalName && model !== text.version) throw unknownModel(model, [logicalName, text.version]);
    if (dimension !== undefined && dimension !== text.dimension) throw otherDimension(dimension, text.dimension);
    try {
      const [vectors, tokens] = await Promise.all([text.embed(texts, { signal }), text.countTokens(texts)]);
      return { model: text.version, vectors: vectors.map((vector, index) => ({ values: [...vector], tokens: tokens[index] })) };
    } catch (error) {
      if (!(error instanceof ModelNotReady)) throw error;
      throw new Problem({ reason: Reason.MODEL_NOT_READY, detail: error.message, retryAfterSeconds: error.retryAfterSeconds }, { cause: error });
    }
  }
}
