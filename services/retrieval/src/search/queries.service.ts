import { Injectable } from '@nestjs/common';
import type { ImageInput } from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';
import type { Example, NoteQuery, Query } from '@touchstone/contracts/gen/touchstone/retrieval/v1/search_pb';
import { type Picture, type PictureReader, Pictures } from '@touchstone/files';
import { queriedOcrText, tooManyPictures } from './search.errors.ts';
import type { SearchQuery, Source } from './search-query.ts';

const mostPictures = 32;

/** A picture of the request before its file is there. */
interface AskedPicture {
  readonly image: ImageInput;
  readonly pointer: string;
}

/** Reads what a request looks for, and brings its pictures. */
@Injectable()
export class Queries {
  constructor(private readonly pictures: Pictures) {}

  /** @throws Problem picture-refused; invalid-request for too many pictures and for a picture with a text of its own. */
  async read(query: Query, reader: PictureReader): Promise<SearchQuery> {
    const { examples } = query;
    const files = await this.pictures.load(picturesOfQuery(query), reader);
    const sources = askedOf(query).map(([each, pointer]) => toSource(each, pointer, () => files.shift()!));
    if (!examples) return sources[0];
    return { kind: 'examples', pointer: '/query/examples', positive: sources.slice(0, examples.positive.length), negative: sources.slice(examples.positive.length) };
  }
}

/** The pictures of a query, in order. @throws Problem invalid-request, as `read` */
export function picturesOfQuery(query: Query): AskedPicture[] {
  const pictures = askedOf(query).flatMap(([each, pointer]) => picturesOf(each, pointer));
  if (pictures.length > mostPictures) throw tooManyPictures(pictures.length, mostPictures);
  return pictures;
}

/** The query itself, or all its examples. */
function askedOf(query: Query): (readonly [Example | Query, string])[] {
  const { examples } = query;
  if (!examples) return [[query, '/query']];
  return [...examples.positive.map((each, index) => [each, `/query/examples/positive/${index}`] as const), ...examples.negative.map((each, index) => [each, `/query/examples/negative/${index}`] as const)];
}

function picturesOf({ image, note }: Example | Query, pointer: string): AskedPicture[] {
  if (image?.ocrText) throw queriedOcrText(`${pointer}/image/ocrText`);
  if (image) return [{ image, pointer: `${pointer}/image` }];
  return note?.images.map((each, part) => ({ image: each, pointer: `${pointer}/note/images/${part}` })) ?? [];
}

/** The contract demands exactly one of them. @param nextPicture gives the files in the order of `picturesOf`. */
function toSource({ itemId, text, ocrText, image, note, vector }: Example | Query, pointer: string, nextPicture: () => Picture): Source {
  if (itemId !== undefined) return { kind: 'item', id: itemId, pointer: `${pointer}/itemId` };
  if (text !== undefined) return { kind: 'text', text, pointer: `${pointer}/text` };
  if (ocrText !== undefined) return { kind: 'ocr', text: ocrText, pointer: `${pointer}/ocrText` };
  if (image) return { kind: 'image', image: nextPicture(), pointer: `${pointer}/image` };
  if (note) return noteSource(note, `${pointer}/note`, nextPicture);
  return { kind: 'vector', vector, pointer: `${pointer}/vector` };
}

function noteSource({ title, body, images }: NoteQuery, pointer: string, nextPicture: () => Picture): Source {
  return { kind: 'note', title, body, images: images.map(({ ocrText }) => ({ ...nextPicture(), ocrText })), pointer };
}
