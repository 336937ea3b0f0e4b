import { readFileSync } from 'node:fs';
import { createFileRegistry, type FileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { blobPaths } from '../blob/blob-paths.ts';
import { embeddingsPaths } from '../openai/embeddings-paths.ts';
import { openApiDocument } from './document.ts';

/** The committed image of proto/: every descriptor, with the comments of our own files. */
export const imagePath = new URL('../../../../proto/image.binpb', import.meta.url);

/** The description that `services/gateway/openapi.json` holds. */
export const publicDocument = () => openApiDocument(readImage(), publicServices, [blobPaths, embeddingsPaths]);

/** The services that `services/gateway/openapi.json` describes. */
const publicServices = [
  'touchstone.retrieval.v1.CollectionService',
  'touchstone.retrieval.v1.ImportService',
  'touchstone.retrieval.v1.ItemService',
  'touchstone.retrieval.v1.SearchService',
  'touchstone.operations.v1.OperationService',
  'touchstone.blobs.v1.BlobService',
  'touchstone.gateway.v1.TenantService',
  'touchstone.gateway.v1.KeyService',
  'touchstone.gateway.v1.AuditService',
];

export function readImage(path: URL = imagePath): FileRegistry {
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(path)));
}

export const toText = (document: object) => `${JSON.stringify(document, null, 2)}\n`;
