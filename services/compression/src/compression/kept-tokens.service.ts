import { hash } from 'node:crypto';
import { setImmediate as otherWork } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { Call } from '@touchstone/contracts';
import { BlobFiles, type NewBlob } from '@touchstone/files';
import { type Agreement, agreement } from '../method/agreement.ts';
import { chosenRows, type Method } from '../method/methods.ts';
import { allTokensFile, type EncodedTokens, keptTokensFile } from '../token/token-files.ts';
import type { Compression, Encoding } from './compression.entity.ts';
import { CompressionStore, type NewCompression, type NewEncoding, type Stored } from './compression-store.service.ts';
import { compressionId, encodingId, type EncodingFacts } from './identity.ts';
import { storedScores } from './stored-scores.ts';

/** Token of the time for which tokens are kept (milliseconds). */
export const KEPT_FOR_MS = Symbol('KeptForMs');

export const tokensMediaType = 'application/vnd.safetensors';

/** The choice that a request means. */
export interface WantedChoice {
  readonly method: Method;
  /** 0 for a method without chance. */
  readonly seed: number;
  /** K. */
  readonly kept: number;
  /** Tokens along each side of the picture, where the method has it made smaller. */
  readonly side?: number;
  /** Methods beside it, and their seed. */
  readonly compared: readonly Method[];
  readonly comparedSeed: number;
}

/** Rows whose blobs are there, and blobs of others that are not. */
export interface Known extends Stored {
  readonly gone: readonly string[];
}

/** A picture's tokens before they are chosen from. */
export interface Source {
  readonly facts: EncodingFacts;
  /** Whether they are new, and nowhere yet. */
  readonly isNew: boolean;
  tokens(): Promise<EncodedTokens>;
}

/** A method's choice beside that of a compression. */
export interface Compared extends Agreement {
  readonly method: string;
  readonly indices: Uint32Array;
}

export interface Kept {
  readonly encoding: Encoding;
  readonly compression: Compression;
  readonly comparisons: readonly Compared[];
}

/** Chooses tokens and keeps them: blobs first, then the rows that name them, so that no row lacks its tokens. */
@Injectable()
export class KeptTokens {
  constructor(
    private readonly store: CompressionStore,
    private readonly blobs: BlobFiles,
    @Inject(KEPT_FOR_MS) private readonly keptForMs: number,
  ) {}

  /** What is there of encodings and of the choice among each. */
  async known(encodings: readonly string[], wanted: WantedChoice, now: Date, call: Call): Promise<Known> {
    const stored = await this.store.find(call.tenant, { encodings, compressions: encodings.map((id) => choiceId(id, wanted)) }, now);
    const named = [...stored.encodings.values(), ...stored.compressions.values()].map(({ blobId }) => blobId);
    const present = named.length === 0 ? new Set<string>() : await this.blobs.find(named, call);
    const there = <Row extends { readonly blobId: string }>(rows: Map<string, Row>) => new Map([...rows].filter(([, { blobId }]) => present.has(blobId)));
    return { encodings: there(stored.encodings), compressions: there(stored.compressions), gone: named.filter((id) => !present.has(id)) };
  }

  /** @returns aligned with `sources`. @throws Problem blob-quota-exceeded */
  async keep(sources: readonly Source[], wanted: WantedChoice, known: Known, now: Date, call: Call): Promise<Kept[]> {
    const files: NewBlob[] = [];
    const encodings = new Map<string, NewEncoding>();
    const compressions = new Map<string, NewCompression>();
    for (const { facts, isNew, tokens } of sources) {
      const id = encodingId(facts);
      if (!isNew && known.compressions.has(choiceId(id, wanted))) continue;
      const picture = await tokens();
      const metadata = Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, String(value)]));
      const expiresAt = isNew ? new Date(now.getTime() + this.keptForMs) : known.encodings.get(id)!.expiresAt;
      const file = (data: Uint8Array): string => {
        files.push({ data, mediaType: tokensMediaType, expiresAt });
        return hash('sha256', data, 'hex');
      };
      if (isNew) encodings.set(id, { ...facts, id, width: picture.width, expiresAt, blobId: file(allTokensFile(picture, metadata)) });

      const { method, seed, kept } = wanted;
      const choice = method.choose(picture, kept, seed);
      const blobId = file(keptTokensFile(choice.indices, chosenRows(picture, choice), picture, { ...metadata, method: method.name, seed: String(seed) }));
      const scores = storedScores(choice.scores ?? picture.scores);
      compressions.set(choiceId(id, wanted), { id: choiceId(id, wanted), encodingId: id, method: method.name, seed, indices: [...choice.indices], scores, blobId, expiresAt });
      await otherWork(); // A choice may take some milliseconds: requests of others come in between.
    }
    let saved: Stored = known;
    if (files.length > 0) {
      await this.blobs.write(files, call);
      saved = await this.store.save(call.tenant, { encodings: [...encodings.values()], compressions: [...compressions.values()], gone: known.gone }, now);
    }
    const made: Kept[] = [];
    for (const { facts, tokens } of sources) {
      const id = encodingId(facts);
      const encoding = saved.encodings.get(id) ?? known.encodings.get(id)!;
      const compression = saved.compressions.get(choiceId(id, wanted)) ?? known.compressions.get(choiceId(id, wanted))!;
      made.push({ encoding, compression, comparisons: wanted.compared.length === 0 ? [] : await compare(compression, await tokens(), wanted) });
    }
    return made;
  }
}

/** Id of the choice among an encoding's tokens. */
const choiceId = (encoding: string, { method, seed, kept }: WantedChoice) => compressionId(encoding, { method: method.name, seed, kept });

async function compare({ indices: own }: Compression, picture: EncodedTokens, { compared, kept, comparedSeed }: WantedChoice): Promise<Compared[]> {
  const comparisons: Compared[] = [];
  for (const method of compared) {
    const { indices } = method.choose(picture, kept, comparedSeed);
    comparisons.push({ method: method.name, indices, ...agreement(own, indices) });
    await otherWork();
  }
  return comparisons;
}
