import type { ImageInput } from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';

/** The file that a picture in a request stands for; the contract demands a source. */
export function pictureOf({ source }: ImageInput): Uint8Array {
  if (source.case !== 'base64') throw new TypeError(`A picture has no source of the kind ${source.case}`);
  return source.value;
}
