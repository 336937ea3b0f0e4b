import { Inject, Injectable } from '@nestjs/common';
import { type Call, Problem, Reason } from '@touchstone/contracts';
import { BlobFiles, foreignContent, modelProblem, type Picture, pictureIsMore, type PictureInput, Pictures } from '@touchstone/files';
import type { VisionEncoder } from '@touchstone/models';
import { type EncodedTokens, readAllTokens } from '../token/token-files.ts';
import { type Budget, keptCount } from './budget.ts';
import type { Compression, Encoding } from './compression.entity.ts';
import { budgetTooLarge, compressionNotFound, encodesAnew, noSuchLayer, scopeMissing, tokensDeleted } from './compression.errors.ts';
import { notePictures } from './compression.metrics.ts';
import { CompressionStore } from './compression-store.service.ts';
import { encodingId, type EncodingFacts, sha256 } from './identity.ts';
import { type Kept, KEPT_FOR_MS, KeptTokens, type Source, type WantedChoice } from './kept-tokens.service.ts';
import { hasAttention, Offer } from './offer.service.ts';

/** How tokens are chosen. */
export interface ChoiceRequest {
  readonly budget: Budget;
  /** Empty for the default. */
  readonly method: string;
  readonly seed: number;
  readonly compareWith: readonly string[];
}

/** How pictures are encoded, and their tokens chosen. */
export interface CompressionRequest extends ChoiceRequest {
  /** Empty for the default. */
  readonly encoder: string;
  readonly selectLayer?: number;
  readonly momentum?: number;
}

export interface Compressed extends Kept {
  /** The encoder did not run. */
  readonly isCached: boolean;
}

interface EncodedPicture {
  readonly picture: Picture;
  readonly pointer: string;
  readonly facts: EncodingFacts;
  readonly id: string;
}

/** Compresses pictures: what was encoded before is found by its content, what is new is encoded and kept for a time. */
@Injectable()
export class Compressions {
  constructor(
    private readonly store: CompressionStore,
    private readonly kept: KeptTokens,
    private readonly offer: Offer,
    private readonly pictures: Pictures,
    private readonly blobs: BlobFiles,
    @Inject(KEPT_FOR_MS) private readonly keptForMs: number,
  ) {}

  /**
   * @returns aligned with `inputs`, all or none.
   * @throws Problem picture-refused, model-not-ready, budget-too-large, encoder-unsuitable, blob-quota-exceeded
   */
  async compress(inputs: readonly PictureInput[], request: CompressionRequest, call: Call): Promise<(Compressed & { readonly picture: Picture })[]> {
    demandBlobScopes(call);
    const encoder = this.offer.encoder(request.encoder);
    const { selectLayer = -1, momentum = 0.95 } = request;
    if (selectLayer < -encoder.layers) throw noSuchLayer(selectLayer, encoder.layers);
    const wanted = this.wanted(request, encoder.grid.rows * encoder.grid.columns, { hasAttention: hasAttention(encoder), encoder: encoder.name });
    const { name, version: encoderVersion } = encoder;
    const grid = wanted.side === undefined ? encoder.grid : { rows: wanted.side, columns: wanted.side };
    const pictures = await this.identified(inputs, (pictureSha256) => ({ pictureSha256, encoder: name, encoderVersion, selectLayer, momentum, ...grid }), call);

    const now = new Date();
    const known = await this.kept.known([...new Set(pictures.map(({ id }) => id))], wanted, now, call);
    const distinct = [...new Map(pictures.map((picture) => [picture.id, picture])).values()];
    const missing = distinct.filter(({ id }) => !known.encodings.has(id));
    const encoded = await encode(encoder, missing, { kept: wanted.kept, side: wanted.side, selectLayer, momentum, signal: call.signal });
    notePictures(distinct.length - missing.length, missing.length);

    const sources = distinct.map(({ id, facts }): Source => {
      const tokens = encoded.get(id);
      return { facts, isNew: tokens !== undefined, tokens: tokens ? async () => tokens : onlyOnce(() => this.read(known.encodings.get(id)!, call)) };
    });
    const made = await this.kept.keep(sources, wanted, known, now, call);
    const byId = new Map(distinct.map(({ id }, index) => [id, { ...made[index], isCached: !encoded.has(id) }]));
    return pictures.map(({ id, picture }) => ({ ...byId.get(id)!, picture }));
  }

  /** Another choice among the tokens of a compression; the encoder is not asked. @throws Problem compression-not-found, budget-too-large */
  async expand(id: string, request: Omit<ChoiceRequest, 'seed'> & { readonly seed?: number }, call: Call): Promise<Compressed> {
    demandBlobScopes(call);
    const { compression, encoding } = await this.get(id, call);
    const tokens = await this.read(encoding, call).catch((error: unknown) => {
      throw error instanceof Problem && error.reason === Reason.BLOB_NOT_FOUND ? tokensDeleted(id, error) : error;
    });
    const whole = { ...request, method: request.method || compression.method, seed: request.seed ?? compression.seed };
    const wanted = this.wanted(whole, encoding.rows * encoding.columns, { hasAttention: tokens.classAttention !== undefined, encoder: encoding.encoder });
    if (wanted.side !== undefined) throw encodesAnew('/method', wanted.method.name);
    const now = new Date();
    const known = await this.kept.known([encoding.id], wanted, now, call);
    const encodings = new Map([[encoding.id, encoding]]); // also one whose time is nearly over
    const [made] = await this.kept.keep([{ facts: factsOf(encoding), isNew: false, tokens: async () => tokens }], wanted, { ...known, encodings }, now, call);
    return { ...made, isCached: true };
  }

  /** @throws Problem compression-not-found */
  async get(id: string, { tenant }: Call): Promise<{ compression: Compression; encoding: Encoding }> {
    const found = await this.store.get(tenant, id, new Date());
    if (!found) throw compressionNotFound(id, Math.round(this.keptForMs / 3_600_000));
    return found;
  }

  private wanted({ budget, method: name, seed, compareWith }: ChoiceRequest, tokens: number, has: { hasAttention: boolean; encoder: string }): WantedChoice {
    const method = this.offer.method(name, '/method', has);
    const count = keptCount(budget, tokens);
    if (count > tokens) throw budgetTooLarge(count, tokens);
    const compared = compareWith.map((each, index) => this.offer.method(each, `/compareWith/${index}`, has));
    const anew = compared.findIndex(({ sideFor }) => sideFor);
    if (anew >= 0) throw encodesAnew(`/compareWith/${anew}`, compared[anew].name);
    const side = method.sideFor?.(count);
    const kept = side === undefined ? count : side ** 2;
    return { method, kept, side, seed: method.parameters.includes('seed') ? seed : 0, compared, comparedSeed: seed };
  }

  private async identified(inputs: readonly PictureInput[], factsOfPicture: (pictureSha256: string) => EncodingFacts, call: Call): Promise<EncodedPicture[]> {
    const pictures = await this.pictures.load(inputs, call);
    return pictures.map((picture, index) => {
      const pointer = `${inputs[index].pointer}/${picture.source}`;
      const foreign = foreignContent(picture.file);
      if (foreign) throw pictureIsMore(pointer, foreign);
      const facts = factsOfPicture(sha256(picture.file));
      return { picture, pointer, facts, id: encodingId(facts) };
    });
  }

  private async read({ blobId, rows, columns }: Encoding, call: Call): Promise<EncodedTokens> {
    return readAllTokens(await this.blobs.read(blobId, call), { rows, columns });
  }
}

/** Tokens of pictures by the ids of their encodings. */
async function encode(encoder: VisionEncoder, pictures: readonly EncodedPicture[], options: { kept: number; side?: number; selectLayer: number; momentum: number; signal: AbortSignal }): Promise<Map<string, EncodedTokens>> {
  if (pictures.length === 0) return new Map();
  const attention = hasAttention(encoder) ? (['classAttention', 'attentionKeys'] as const) : [];
  try {
    const encoded = await encoder.encode(pictures.map(({ picture }) => picture.file), { ...options, outputs: ['scores', 'allTokens', 'variation', ...attention] });
    return new Map(encoded.map(({ allTokens, indices: _, ...measures }, index) => [pictures[index].id, { ...measures, tokens: allTokens, width: encoder.width }]));
  } catch (error) {
    throw modelProblem(error, (position) => pictures[position].pointer);
  }
}

const factsOf = ({ pictureSha256, encoder, encoderVersion, selectLayer, momentum, rows, columns }: Encoding): EncodingFacts => ({ pictureSha256, encoder, encoderVersion, selectLayer, momentum, rows, columns });

function onlyOnce<Value>(work: () => Promise<Value>): () => Promise<Value> {
  let started: Promise<Value> | undefined;
  return () => (started ??= work());
}

/** Before a model works for nothing. */
function demandBlobScopes({ caller: { scopes } }: Call): void {
  const missing = ['blobs:read', 'blobs:write'].find((scope) => !scopes.includes(scope) && !scopes.includes('*'));
  if (missing) throw scopeMissing(missing);
}
