import { Readable } from 'node:stream';
import { toJson, create } from '@bufbuild/protobuf';
import { Controller, Get, HttpCode, Param, Patch, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { BlobSchema, UploadSchema } from '@touchstone/contracts/gen/touchstone/blobs/v1/blob_pb';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { demandScope } from '../key/authentication.ts';
import { blobMessage, uploadMessage } from './blob.controller.ts';
import { blobNotFound, noOffset, uploadNotFound } from './blob.errors.ts';
import type { IncomingBytes } from './blob-store.ts';
import { Blobs } from './blobs.service.ts';
import { byteRange } from './byte-range.ts';
import { mediaTypeOf } from './media-type.ts';
import { Uploads } from './uploads.service.ts';

/** The routes of blobs whose bodies are bytes: no contract carries them, so they are written here and in blob-paths.ts. */
@Controller('v1')
export class BlobTransferController {
  constructor(
    private readonly blobs: Blobs,
    private readonly uploads: Uploads,
  ) {}

  @Post('blobs')
  @HttpCode(201)
  @RouteConfig({ takesBytes: true })
  async store(@Req() request: FastifyRequest): Promise<unknown> {
    const { tenant } = demandScope(request, 'blobs:write');
    const blob = await this.blobs.store(tenant, bodyOf(request), mediaTypeOf(request.bodyType));
    return toJson(BlobSchema, create(BlobSchema, blobMessage(blob)), { alwaysEmitImplicit: true });
  }

  @Patch('uploads/:id([^:/]+)')
  @RouteConfig({ takesBytes: true })
  async append(@Req() request: FastifyRequest, @Param('id') id: string): Promise<unknown> {
    const { tenant } = demandScope(request, 'blobs:write');
    const given = request.headers['upload-offset'];
    if (!/^[0-9a-f]{32}$/.test(id)) throw uploadNotFound(id);
    if (typeof given !== 'string' || !/^\d{1,15}$/.test(given)) throw noOffset();
    const upload = await this.uploads.append(tenant, id, Number(given), bodyOf(request));
    return toJson(UploadSchema, create(UploadSchema, uploadMessage(upload)), { alwaysEmitImplicit: true });
  }

  @Get('blobs/:id([^:/]+)')
  async read(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param('id') id: string): Promise<void> {
    const { tenant } = demandScope(request, 'blobs:read');
    if (!/^[0-9a-f]{64}$/.test(id)) throw blobNotFound(id);
    const blob = await this.blobs.get(tenant, id);
    const range = byteRange(request.headers.range, blob.bytes);
    const { start, end } = range ?? { start: 0, end: blob.bytes - 1 };
    // What a browser would show stays a file: its writer chose the type.
    void reply.headers({ 'content-type': blob.mediaType, 'content-disposition': 'attachment', 'accept-ranges': 'bytes', etag: `"${id}"` });
    void reply.header('content-length', end - start + 1);
    if (range) void reply.status(206).header('content-range', `bytes ${start}-${end}/${blob.bytes}`);
    await reply.send(request.method === 'HEAD' ? Readable.from([]) : await this.blobs.read(blob, range));
  }
}

/** A body as it comes in; nothing for a request without one. */
function bodyOf({ body, headers }: FastifyRequest): IncomingBytes {
  return { source: (body as Readable | undefined) ?? Readable.from([]), announcedBytes: Number(headers['content-length'] ?? 0) };
}
