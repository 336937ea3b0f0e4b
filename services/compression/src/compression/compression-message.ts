import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { Result } from '@touchstone/contracts';
import type { CompressionSchema, LanguageModelCostSchema } from '@touchstone/contracts/gen/touchstone/compression/v1/compression_pb';
import { type NamedLanguageModel } from '../cost/language-models.ts';
import { tokenCost } from '../cost/language-model-cost.ts';
import { meanScore } from '../method/agreement.ts';
import type { Compressed } from './compressions.service.ts';
import { scoresOf } from './stored-scores.ts';

/** @param languageModels whose cost is told. */
export function toMessage({ encoding, compression, isCached, comparisons }: Compressed, languageModels: readonly NamedLanguageModel[]): Result<typeof CompressionSchema> {
  const { rows, columns, width, encoder, encoderVersion, pictureSha256, selectLayer, momentum } = encoding;
  const { id, method, seed, indices, blobId, expiresAt } = compression;
  const scores = scoresOf(compression);
  return {
    id,
    pictureSha256,
    encoder,
    encoderVersion,
    selectLayer,
    momentum,
    grid: { rows, columns },
    tokens: rows * columns,
    kept: indices.length,
    width,
    method,
    seed,
    indices,
    scores: [...scores],
    meanScore: meanScore(scores, indices),
    blobId,
    allTokensBlobId: encoding.blobId,
    expiresAt: timestampFromDate(expiresAt),
    isCached,
    costs: languageModels.map((model) => costOf(model, rows * columns, indices.length)),
    comparisons: comparisons.map((other) => ({ ...other, indices: [...other.indices], meanScore: meanScore(scores, other.indices) })),
  };
}

function costOf(model: NamedLanguageModel, tokens: number, keptTokens: number): Result<typeof LanguageModelCostSchema> {
  const [all, kept] = [tokenCost(model, tokens), tokenCost(model, keptTokens)];
  return { languageModel: model.name, all, kept, savedCacheBytes: all.cacheBytes - kept.cacheBytes };
}
