import { timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Inject, UseFilters } from '@nestjs/common';
import { type Call, GrpcController, type Implementation, PassErrors, type Result } from '@touchstone/contracts';
import {
  type BlobPartSchema,
  type BlobSchema,
  BlobService,
  type CreateUploadRequest,
  type DeleteBlobRequest,
  type DeleteBlobResponseSchema,
  type DeleteUploadRequest,
  type DeleteUploadResponseSchema,
  type FindBlobsRequest,
  type FindBlobsResponseSchema,
  type GetUploadRequest,
  type GrantReadingRequest,
  type ReadBlobRequest,
  type ReadingGrantSchema,
  type UploadSchema,
  type WriteBlobsRequest,
  type WriteBlobsResponseSchema,
} from '@touchstone/contracts/gen/touchstone/blobs/v1/blob_pb';
import type { CallerTokens } from '@touchstone/runtime/tenant';
import type { BlobRow } from './blob.entity.ts';
import { defaultMediaType } from './media-type.ts';
import { Blobs } from './blobs.service.ts';
import { type Upload, Uploads } from './uploads.service.ts';

/** Token of what issues callers' tokens (`CallerTokens`). */
export const CALLER_TOKENS = Symbol('caller tokens');

const grantMs = 24 * 3_600_000;

/** Blobs by contract; bytes from clients come and go in blob-transfer.controller.ts. */
@GrpcController(BlobService)
@UseFilters(PassErrors) // the gateway's own filter answers HTTP
export class BlobController implements Implementation<typeof BlobService> {
  constructor(
    private readonly blobs: Blobs,
    private readonly uploads: Uploads,
    @Inject(CALLER_TOKENS) private readonly tokens: CallerTokens,
  ) {}

  async deleteBlob({ id }: DeleteBlobRequest, { tenant }: Call): Promise<Result<typeof DeleteBlobResponseSchema>> {
    await this.blobs.delete(tenant, id);
    return {};
  }

  async createUpload({ bytes, mediaType = defaultMediaType, sha256 }: CreateUploadRequest, { tenant }: Call): Promise<Result<typeof UploadSchema>> {
    return uploadMessage(await this.uploads.create(tenant, { bytes: Math.floor(bytes), mediaType, sha256 }));
  }

  async getUpload({ id }: GetUploadRequest, { tenant }: Call): Promise<Result<typeof UploadSchema>> {
    return uploadMessage(await this.uploads.get(tenant, id));
  }

  async deleteUpload({ id }: DeleteUploadRequest, { tenant }: Call): Promise<Result<typeof DeleteUploadResponseSchema>> {
    await this.uploads.delete(tenant, id);
    return {};
  }

  async grantReading({ id }: GrantReadingRequest, { caller }: Call): Promise<Result<typeof ReadingGrantSchema>> {
    await this.blobs.get(caller.tenant, id);
    return { token: await this.tokens.grant({ ...caller, scopes: ['blobs:read'] }, grantMs) };
  }

  async *readBlob({ id, offset, length = Infinity }: ReadBlobRequest, { tenant }: Call): AsyncIterable<Result<typeof BlobPartSchema>> {
    const blob = await this.blobs.get(tenant, id);
    yield { part: { case: 'blob', value: blobMessage(blob) } };
    if (offset >= blob.bytes) return;
    const range = { start: Math.floor(offset), end: Math.floor(Math.min(offset + length, blob.bytes)) - 1 };
    for await (const data of await this.blobs.read(blob, range)) yield { part: { case: 'data', value: data as Uint8Array<ArrayBuffer> } };
  }

  async findBlobs({ ids }: FindBlobsRequest, { tenant }: Call): Promise<Result<typeof FindBlobsResponseSchema>> {
    return { blobs: (await this.blobs.find(tenant, ids)).map(blobMessage) };
  }

  async writeBlobs({ blobs }: WriteBlobsRequest, { tenant }: Call): Promise<Result<typeof WriteBlobsResponseSchema>> {
    const stored = await this.blobs.storeAll(tenant, blobs.map(({ data, mediaType, expiresAt }) => ({ data, mediaType, expiresAt: expiresAt && timestampDate(expiresAt) })));
    return { blobs: stored.map(blobMessage) };
  }
}

export function blobMessage({ id, bytes, mediaType, expiresAt }: BlobRow): Result<typeof BlobSchema> {
  return { id, bytes, mediaType, ...(expiresAt ? { expiresAt: timestampFromDate(expiresAt) } : {}) };
}

export function uploadMessage({ row, blob }: Upload): Result<typeof UploadSchema> {
  const { id, bytes, mediaType, received, expiresAt } = row;
  return { id, bytes, mediaType, offset: received, expiresAt: timestampFromDate(expiresAt), ...(blob ? { blob: blobMessage(blob) } : {}) };
}
