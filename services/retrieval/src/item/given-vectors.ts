import type { ListValue } from '@bufbuild/protobuf/wkt';
import type { OwnVectors } from '@touchstone/contracts/gen/touchstone/retrieval/v1/item_pb';

/** Vectors of a message in the form that JSON has them. */
export function givenVectors(vectors: Readonly<Record<string, OwnVectors>>): Record<string, Record<string, unknown>> {
  return Object.fromEntries(Object.entries(vectors).map(([space, { text, note, image, ocr }]) => [space, { text, note, image: image.map(plain), ocr: ocr.map(plain) }]));
}

const plain = ({ values }: ListValue): unknown[] => values.map(({ kind }) => kind.value);
