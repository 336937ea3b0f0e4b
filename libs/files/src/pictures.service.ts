import { Injectable } from '@nestjs/common';
import { type Call, Problem, Reason } from '@touchstone/contracts';
import { FetchRefused, OutboundFetch } from '@touchstone/runtime/outbound-fetch';
import { BlobFiles } from './blob-files.service.ts';
import { pictureMissing, pictureNotFetched, pictureTooLarge, picturesTooLarge } from './picture.errors.ts';

const maximumBytes = 6 * 1024 * 1024;
/** About what a body of 20 MB holds in base64. */
const maximumTotalBytes = 20 * 1024 * 1024;
const atOnce = 4;

/** Where a request has a picture from: a contract's message with these alternatives. */
export interface PictureSource {
  readonly source:
    | { readonly case: 'base64'; readonly value: Uint8Array }
    | { readonly case: 'blobId' | 'url'; readonly value: string }
    | { readonly case: undefined };
}

/** A picture in a request and the JSON pointer to it. */
export interface PictureInput {
  readonly image: PictureSource;
  readonly pointer: string;
}

/** A picture as a file. */
export interface Picture {
  readonly file: Uint8Array;
  /** The field of the request that it came from. */
  readonly source: 'base64' | 'blobId' | 'url';
}

/** Who reads: blobs with the caller's token, all of it until the signal. */
export type PictureReader = Pick<Call, 'token' | 'signal'> & { readonly deadline?: number };

/** Brings the files that pictures in a request stand for. */
@Injectable()
export class Pictures {
  constructor(
    private readonly blobFiles: BlobFiles,
    private readonly outside: OutboundFetch,
  ) {}

  /**
   * @returns pictures, aligned with `inputs`.
   * @throws Problem picture-refused for one that is not there or too large, with its pointer.
   */
  async load(inputs: readonly PictureInput[], reader: PictureReader): Promise<Picture[]> {
    const pictures = new Array<Picture>(inputs.length);
    let total = 0;
    const queue = inputs.entries();
    const work = async () => {
      for (const [index, { image, pointer }] of queue) {
        const picture = await this.fetch(image, pointer, reader);
        total += picture.file.byteLength;
        if (total > maximumTotalBytes) throw picturesTooLarge(`${pointer}/${picture.source}`, maximumTotalBytes);
        pictures[index] = picture;
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    return pictures;
  }

  private async fetch({ source }: PictureSource, pointer: string, reader: PictureReader): Promise<Picture> {
    if (source.case === 'base64') return { file: source.value, source: 'base64' };
    if (source.case === 'blobId') return { file: await this.blob(source.value, `${pointer}/blobId`, reader), source: 'blobId' };
    if (source.case === 'url') return { file: await this.outsideFile(source.value, `${pointer}/url`, reader), source: 'url' };
    throw new TypeError('A picture has no source'); // the contract demands one
  }

  private async blob(id: string, pointer: string, { token, deadline, signal }: PictureReader): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    try {
      const blob = await this.blobFiles.open(id, { token, deadline, signal });
      if (blob.bytes > maximumBytes) {
        await blob.end();
        throw pictureTooLarge(pointer, blob.bytes, maximumBytes);
      }
      for await (const piece of blob.pieces) pieces.push(piece);
    } catch (error) {
      throw error instanceof Problem && error.reason === Reason.BLOB_NOT_FOUND ? pictureMissing(pointer, error) : error;
    }
    return Buffer.concat(pieces);
  }

  private async outsideFile(address: string, pointer: string, { signal }: PictureReader): Promise<Uint8Array> {
    try {
      return await this.outside.get(address, { maximumBytes, signal });
    } catch (error) {
      throw error instanceof FetchRefused ? pictureNotFetched(pointer, error) : error;
    }
  }
}
