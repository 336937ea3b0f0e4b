import { Injectable } from '@nestjs/common';
import type { Call } from '@touchstone/contracts';
import type { ImageInput } from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';
import type { Example, NoteQuery, Query } from '@touchstone/contracts/gen/touchstone/retrieval/v1/search_pb';
import { type Picture, Pictures } from '@touchstone/files';
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
  async read(query: Query, call: Call): Promise<SearchQuery> {
    const { examples } = query;
    const asked = examples
      ? [...examples.positive.map((each, index) => [each, `/query/examples/positive/${index}`] as const), ...examples.negative.map((each, index) => [each, `/query/examples/negative/${index}`] as const)]
      : [[query, '/query'] as const];
    const awaited = asked.flatMap(([each, pointer]) => picturesOf(each, pointer));
    if (awaited.length > mostPictures) throw tooManyPictures(awaited.length, mostPictures);
    const files = await this.pictures.load(awaited, call);
    const sources = asked.map(([each, pointer]) => toSource(each, pointer, () => files.shift()!));
    if (!examples) return sources[0];
    return { kind: 'examples', pointer: '/query/examples', positive: sources.slice(0, examples.positive.length), negative: sources.slice(examples.positive.length) };
  }
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
