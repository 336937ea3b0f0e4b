import { readFileSync } from 'node:fs';
import { createFileRegistry, type DescEnum, type DescExtension, type DescMessage, type DescService, type FileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { blobPaths } from '../blob/blob-paths.ts';
import { embeddingsPaths } from '../openai/embeddings-paths.ts';
import { routesOf } from '../rest/route.ts';
import { openApiDocument } from './document.ts';

/** The committed image of proto/: every descriptor, with the comments of our own files. */
export const imagePath = new URL('../../../../proto/image.binpb', import.meta.url);

/** The description that `services/gateway/openapi.json` holds: of every service with a path, but that of tests. */
export const publicDocument = () => {
  const image = readImage();
  const names = [...image].filter(isPublic).map(({ typeName }) => typeName).sort();
  return openApiDocument(image, [...new Set([...first, ...names])], [blobPaths, embeddingsPaths]);
};

const isPublic = (type: DescMessage | DescEnum | DescExtension | DescService): type is DescService =>
  type.kind === 'service' && type.typeName.startsWith('touchstone.') && !type.typeName.startsWith('touchstone.echo.') && routesOf(type).length > 0;

/** What a reader of the docs page sees first. */
const first = [
  'touchstone.retrieval.v1.CollectionService',
  'touchstone.retrieval.v1.GalleryService',
  'touchstone.retrieval.v1.ImportService',
  'touchstone.retrieval.v1.ItemService',
  'touchstone.retrieval.v1.SearchService',
  'touchstone.retrieval.v1.ModelVersionService',
  'touchstone.retrieval.v1.EvaluationService',
  'touchstone.compression.v1.CompressionService',
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
