import { readFileSync } from 'node:fs';
import { createFileRegistry, type FileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

/** The committed image of proto/: every descriptor, with the comments of our own files. */
export const imagePath = new URL('../../../../proto/image.binpb', import.meta.url);

/** The services that `services/gateway/openapi.json` describes. */
export const publicServices = [
  'touchstone.retrieval.v1.CollectionService',
  'touchstone.retrieval.v1.ItemService',
  'touchstone.retrieval.v1.SearchService',
];

export function readImage(path: URL = imagePath): FileRegistry {
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(path)));
}

export const toText = (document: object) => `${JSON.stringify(document, null, 2)}\n`;
