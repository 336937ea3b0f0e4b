import { Inject, Injectable } from '@nestjs/common';
import type { Call } from '@touchstone/contracts';
import { BlobFiles, modelProblem, type PictureInput } from '@touchstone/files';
import { type CompressionRequest, Compressions } from '../compression/compressions.service.ts';
import { type EncodingModels, MODELS } from '../compression/offer.service.ts';
import { scoresOf } from '../compression/stored-scores.ts';
import { scoreMap } from './score-map.ts';

/** A drawing that is stored. */
export interface Explained {
  readonly blobId: string;
  readonly width: number;
  readonly height: number;
  readonly compressionId: string;
  readonly lowestScore: number;
  readonly highestScore: number;
  readonly expiresAt: Date;
}

/** Draws what a compression keeps. */
@Injectable()
export class Explanations {
  constructor(
    private readonly compressions: Compressions,
    private readonly blobs: BlobFiles,
    @Inject(MODELS) private readonly models: EncodingModels,
  ) {}

  /** @throws Problem as `Compressions.compress` */
  async explain(input: PictureInput, request: CompressionRequest, call: Call): Promise<Explained> {
    const [{ picture, encoding, compression }] = await this.compressions.compress([input], request, call);
    const { lowest, highest, ...map } = scoreMap(scoresOf(compression), compression.indices, encoding);
    const { png, width, height } = await this.models.drawHeatMap(picture.file, map, { signal: call.signal }).catch((error: unknown) => {
      throw modelProblem(error, () => `${input.pointer}/${picture.source}`);
    });
    const { id: compressionId, expiresAt } = compression;
    const [blobId] = await this.blobs.write([{ data: png, mediaType: 'image/png', expiresAt }], call);
    return { blobId, width, height, compressionId, lowestScore: lowest, highestScore: highest, expiresAt };
  }
}
