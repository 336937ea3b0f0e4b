import { Injectable } from '@nestjs/common';
import { type Call, Problem, Reason } from '@touchstone/contracts';
import type { ImageInput } from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';
import { BlobFiles } from './blob-files.service.ts';
import { FetchRefused, OutboundFetch } from '@touchstone/runtime/outbound-fetch';
import type { Picture } from './item-content.ts';
import { pictureMissing, pictureNotFetched, pictureTooLarge, picturesTooLarge } from './item.errors.ts';

const maximumBytes = 6 * 1024 * 1024;
/** About what a body of 20 MB holds in base64. */
const maximumTotalBytes = 20 * 1024 * 1024;
const atOnce = 4;

/** A picture in a request and the JSON pointer to it. */
export interface PictureInput {
  readonly image: ImageInput;
  readonly pointer: string;
}

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
  async load(inputs: readonly PictureInput[], call: Call): Promise<Picture[]> {
    const pictures = new Array<Picture>(inputs.length);
    let total = 0;
    const queue = inputs.entries();
    const work = async () => {
      for (const [index, { image, pointer }] of queue) {
        const picture = await this.fetch(image, pointer, call);
        total += picture.file.byteLength;
        if (total > maximumTotalBytes) throw picturesTooLarge(`${pointer}/${picture.source}`, maximumTotalBytes);
        pictures[index] = picture;
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    return pictures;
  }

  private async fetch({ source }: ImageInput, pointer: string, call: Call): Promise<Picture> {
    if (source.case === 'base64') return { file: source.value, source: 'base64' };
    if (source.case === 'blobId') return { file: await this.blob(source.value, `${pointer}/blobId`, call), source: 'blobId' };
    if (source.case === 'url') return { file: await this.outsideFile(source.value, `${pointer}/url`, call), source: 'url' };
    throw new TypeError('A picture has no source'); // the contract demands one
  }

  private async blob(id: string, pointer: string, { token, deadline, signal }: Call): Promise<Uint8Array> {
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

  private async outsideFile(address: string, pointer: string, { signal }: Call): Promise<Uint8Array> {
    try {
      return await this.outside.get(address, { maximumBytes, signal });
    } catch (error) {
      throw error instanceof FetchRefused ? pictureNotFetched(pointer, error) : error;
    }
  }
}
