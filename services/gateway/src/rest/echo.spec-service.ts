import type { INestMicroservice } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type Call, type ContractServerOptions, ContractServer, GrpcController, type Implementation, PassErrors, Problem, Reason, type Result } from '@touchstone/contracts';
import { type CountEchoRequest, type EchoEventSchema, EchoService, type GetEchoRequest, type Note, type NoteSchema, type WatchEchoRequest } from '@touchstone/contracts/gen/touchstone/echo/v1/echo_pb';
import type { HttpBodySchema } from '@touchstone/contracts/gen/google/api/httpbody_pb';
import { nestLogger } from '@touchstone/runtime/logging';

/** What the running streams did, for tests that look on. */
export const watched = { sent: 0, running: 0, onEnd: () => {} };

/** A contract-only service: the gateway has no line for it. */
@GrpcController(EchoService)
export class EchoController implements Implementation<typeof EchoService> {
  async echo(note: Note): Promise<Result<typeof NoteSchema>> {
    if (note.text === 'bug') throw new Error('secret words of a bug');
    if (note.text === 'busy') throw new Problem({ reason: Reason.TOO_BUSY, detail: 'Too busy.', retryAfterSeconds: 7 });
    return note;
  }

  async getEcho({ id, text, numbers }: GetEchoRequest): Promise<Result<typeof NoteSchema>> {
    return { id, text, numbers, notes: [], count: 0 };
  }

  async getEchoFile({ text }: GetEchoRequest): Promise<Result<typeof HttpBodySchema>> {
    if (text === '') throw new Problem({ reason: Reason.IMAGE_NOT_FOUND, detail: 'There is no text.', violations: [{ pointer: '/text', detail: 'is empty' }] });
    return { contentType: 'text/html', data: Buffer.from(text), extensions: [] };
  }

  async countEcho({ note }: CountEchoRequest): Promise<Result<typeof NoteSchema>> {
    return { ...note!, count: Math.min(note!.count + 1, 2 ** 31 - 1) };
  }

  async *watchEcho({ id, events, failAt, afterSequence }: WatchEchoRequest, { signal }: Call): AsyncIterable<Result<typeof EchoEventSchema>> {
    watched.running += 1;
    try {
      for (let sequence = afterSequence + 1; sequence <= events && !signal.aborted; sequence++) {
        if (sequence === failAt) throw new Problem({ reason: Reason.ITEM_NOT_FOUND, detail: 'Failed as asked.', violations: [{ pointer: '/failAt', detail: 'is here' }] });
        yield { sequence, event: { case: 'note', value: { id, text: 'x'.repeat(id === 'large' ? 10_000 : 10), numbers: [], notes: [], count: 0 } } };
        watched.sent = sequence;
      }
      if (!signal.aborted) yield { sequence: events + 1, event: { case: 'finished', value: id } };
    } finally {
      watched.running -= 1;
      watched.onEnd();
    }
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

export async function startEcho(options: Omit<ContractServerOptions, 'services'>): Promise<{ server: ContractServer; stop: () => Promise<void> }> {
  const server = new ContractServer({ services: [EchoService], ...options });
  const app: INestMicroservice = await NestFactory.createMicroservice(EchoModule, { strategy: server, logger: nestLogger('echo') });
  app.useGlobalFilters(new PassErrors());
  await app.listen();
  return { server, stop: () => app.close() };
}
