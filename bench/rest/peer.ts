import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import {
  type ArgumentsHost, Body, type CanActivate, Catch, Controller, type ExceptionFilter, type ExecutionContext, HttpCode, HttpException, Inject, Injectable,
  Module, Param, type PipeTransform, Post, Req, UseGuards,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Database, PersistenceModule } from '@touchstone/persistence';
import type { Caller } from '@touchstone/runtime/tenant';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ApiKeyRow, TenantRow } from '../../services/gateway/src/key/api-key.entity.ts';
import { readBearer } from '../../services/gateway/src/key/key-token.ts';
import { KeyVerifier } from '../../services/gateway/src/key/key-verifier.ts';
import { type ServerSetting, writeNote } from './note.ts';

// A plain Nest application with the same features, as one would write it by hand: a class, Zod, a guard, a filter.

const noteSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]{1,40}$/),
  text: z.string().max(10_000).default(''),
  numbers: z.array(z.number()).default([]),
  reward: z.number().optional(),
  attributes: z.record(z.string(), z.json()).optional(),
  get notes(): z.ZodDefault<z.ZodArray<z.ZodType>> {
    return z.array(noteSchema).default([]);
  },
  count: z.int32().default(0),
});
type Note = z.output<typeof noteSchema>;

@Injectable()
class ZodPipe implements PipeTransform {
  transform(value: unknown): Note {
    const result = noteSchema.safeParse(value);
    if (result.success) return result.data;
    const violations = result.error.issues.map(({ path, message }) => ({ pointer: path.map((step) => `/${String(step)}`).join(''), detail: message }));
    throw new HttpException({ type: '/problems/invalid-request', title: 'The request breaks a rule of its contract', status: 400, violations }, 400);
  }
}

@Injectable()
class KeyGuard implements CanActivate {
  constructor(@Inject(KeyVerifier) private readonly keys: KeyVerifier) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const token = readBearer(request.headers.authorization);
    const caller = token && (await this.keys.verify(token));
    if (!caller) throw new HttpException({ type: '/problems/unauthenticated', title: 'A valid key is needed', status: 401 }, 401);
    request.caller = caller;
    return caller.scopes.includes('echo:write') || caller.scopes.includes('*');
  }
}

@Catch()
class ProblemFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const status = error instanceof HttpException ? error.getStatus() : 500;
    void reply.status(status).type('application/problem+json').send(error instanceof HttpException ? error.getResponse() : { type: '/problems/internal', status });
  }
}

@Controller('v1')
class EchoController {
  constructor(@Inject(Database) private readonly database: Database) {}

  @Post('open')
  @HttpCode(201)
  open(@Body(ZodPipe) note: Note): Note {
    return note;
  }

  @Post('echoes')
  @HttpCode(201)
  @UseGuards(KeyGuard)
  echo(@Body(ZodPipe) note: Note): Note {
    return note;
  }

  @Post('written/:id')
  @HttpCode(200)
  @UseGuards(KeyGuard)
  async count(@Param('id') id: string, @Body(ZodPipe) note: Note, @Req() { caller }: { caller: Caller }): Promise<Note> {
    await writeNote(this.database, caller.tenant, { id, text: note.text });
    return { ...note, count: note.count + 1 };
  }
}

export async function startPeer({ database }: ServerSetting): Promise<string> {
  @Module({
    imports: [PersistenceModule.forService({ ...database, service: 'gateway', entities: [TenantRow, ApiKeyRow] })],
    controllers: [EchoController],
    providers: [KeyGuard, { provide: KeyVerifier, useFactory: (own: Database) => new KeyVerifier(own), inject: [Database] }],
  })
  class PeerModule {}
  const adapter = new FastifyAdapter({ requestIdHeader: 'x-request-id', genReqId: () => randomUUID() });
  adapter.getInstance().addHook('onRequest', (request, reply, done) => {
    void reply.headers({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store', 'x-request-id': request.id });
    done();
  });
  const app = await NestFactory.create<NestFastifyApplication>(PeerModule, adapter, { logger: false });
  app.useGlobalFilters(new ProblemFilter());
  await app.listen(0, '127.0.0.1');
  return app.getUrl();
}
