import type { PathsByHand } from '../openapi/document.ts';

const id = { name: 'id', in: 'path', required: true, description: 'Its id.' };
const blobId = { ...id, schema: { type: 'string', pattern: '^[0-9a-f]{64}$' } };
const uploadId = { ...id, schema: { type: 'string', pattern: '^[0-9a-f]{32}$' } };
const anyBytes = { required: true, content: { '*/*': { schema: { type: 'string', format: 'binary' } } } };
const json = (name: string) => ({ 'application/json': { schema: { $ref: `#/components/schemas/${name}` } } });

/** The routes of blob-transfer.controller.ts as OpenAPI describes them. */
export const blobPaths: PathsByHand = (problems) => ({
  '/v1/blobs': {
    post: {
      operationId: 'BlobService.StoreBlob',
      tags: ['BlobService'],
      summary: 'Stores the bytes of the body as a blob',
      description:
        'The id is the SHA-256 of the bytes: the same bytes again are the same blob. Of large files or over slow connections make an upload instead (`POST /v1/uploads`). Needs a key with the scope `blobs:write`.',
      requestBody: { ...anyBytes, description: 'The bytes, at most 1 GB unless the operator says otherwise; `Content-Type` says what they are.' },
      responses: { 201: { description: 'The blob.', content: json('Blob') }, ...problems(true) },
    },
  },
  '/v1/blobs/{id}': {
    get: {
      operationId: 'BlobService.GetBlob',
      tags: ['BlobService'],
      summary: 'The bytes of a blob',
      description: 'Whole, or the part that `Range` names. `HEAD` answers its size and type. Needs a key with the scope `blobs:read`.',
      parameters: [blobId, { name: 'Range', in: 'header', description: 'One range of bytes, such as `bytes=0-1023`.', schema: { type: 'string' } }],
      responses: {
        200: { description: 'The bytes, with the media type of the blob.', content: { '*/*': { schema: { type: 'string', format: 'binary' } } } },
        206: { description: 'The part.', content: { '*/*': { schema: { type: 'string', format: 'binary' } } } },
        ...problems(false),
        416: { $ref: '#/components/responses/Problem416' },
      },
    },
  },
  '/v1/uploads/{id}': {
    patch: {
      operationId: 'BlobService.AppendUpload',
      tags: ['BlobService'],
      summary: 'Adds bytes to an upload',
      description:
        'They are kept when it answers; of a connection that breaks, what came is kept. The last byte makes the blob. Needs a key with the scope `blobs:write`.',
      parameters: [
        uploadId,
        { name: 'Upload-Offset', in: 'header', required: true, description: 'From which byte the body goes on: the `offset` of the upload.', schema: { type: 'integer', minimum: 0 } },
      ],
      requestBody: { ...anyBytes, required: false, description: 'The next bytes, in requests of 8 MB or so; none change nothing.' },
      responses: { 200: { description: 'How far the upload is.', content: json('Upload') }, ...problems(true) },
    },
  },
});
