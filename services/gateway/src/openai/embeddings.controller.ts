import { Controller, HttpCode, Inject, Post, Req } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { type Channel, Problem, serviceClient } from '@touchstone/contracts';
import { EmbeddingService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/embedding_pb';
import { CallerTokens } from '@touchstone/runtime/tenant';
import type { FastifyRequest } from 'fastify';
import { demandScope } from '../key/authentication.ts';
import { withoutRefusedTokens } from '../rest/problem-document.ts';
import { readEmbeddingsRequest } from './embeddings-request.ts';

/** Token of the way to `EmbeddingService` (`Channel`). */
export const EMBEDDINGS = Symbol('embeddings');

/** Vectors of texts for programs that were written for OpenAI. */
@Controller('v1')
export class EmbeddingsController {
  constructor(
    @Inject(EMBEDDINGS) private readonly channel: Channel,
    private readonly tokens: CallerTokens,
  ) {}

  @Post('embeddings')
  @HttpCode(200)
  @RouteConfig({ showsOpenAiError: true })
  async create(@Req() request: FastifyRequest): Promise<object> {
    const caller = demandScope(request, 'embeddings:read');
    const { model, texts, encoding, dimensions } = readEmbeddingsRequest(request.body);
    const call = { token: await this.tokens.issue(caller), metadata: new Map([['x-request-id', request.id]]) };
    const client = serviceClient(EmbeddingService, this.channel);
    const { model: version, vectors } = await client.embedTexts({ texts: [...texts], model, dimension: dimensions }, call).catch(inTheirWords);
    const tokens = vectors.reduce((sum, vector) => sum + vector.tokens, 0);
    return {
      object: 'list',
      data: vectors.map(({ values }, index) => ({ object: 'embedding', index, embedding: encoding === 'base64' ? toBase64(values) : values })),
      model: version,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    };
  }
}

/** The contract's names of fields, as OpenAI calls them. */
function inTheirWords(error: unknown): never {
  if (!(error instanceof Problem)) throw error;
  const rename = (pointer?: string) => pointer?.replace(/^\/dimension$/, '/dimensions').replace(/^\/texts\b/, '/input');
  const { violations } = error;
  throw new Problem({ ...withoutRefusedTokens(error), violations: violations.map((violation) => ({ ...violation, pointer: rename(violation.pointer) })) }, { cause: error });
}

/** Little-endian 32-bit floats. */
function toBase64(values: readonly number[]): string {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeFloatLE(value, index * 4));
  return bytes.toString('base64');
}
