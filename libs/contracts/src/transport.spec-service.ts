import type { INestMicroservice } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Once, StoredAnswer } from '@touchstone/runtime/once';
import { CallerTokens, CallerTokenVerifier, generateTokenKeys } from '@touchstone/runtime/tenant';
import { type CountEchoRequest, type EchoEventSchema, EchoService, type GetEchoRequest, type Note, type NoteSchema, type WatchEchoRequest } from '../gen/touchstone/echo/v1/echo_pb.ts';
import { ItemService, type UpsertItemsRequest, type UpsertItemsResponseSchema } from '../gen/touchstone/retrieval/v1/item_pb.ts';
import { type Call, type Channel, ContractServer, GrpcController, type Implementation, PassErrors, Problem, Reason, type Result, type Step } from './index.ts';

const { privateKey, publicKey } = generateTokenKeys();
const tokens = new CallerTokens(privateKey);
export const caller = { tenant: { id: 'tenant-1' }, keyId: 'key-1', scopes: ['echo:read', 'echo:write', 'retrieval:write'] };
export const token = await tokens.issue(caller);
export const expired = await new CallerTokens(privateKey, () => Date.now() - 120_000).issue(caller);
export const ofAnotherKey = await new CallerTokens(generateTokenKeys().privateKey).issue(caller);
export const readOnly = await tokens.issue({ ...caller, scopes: ['echo:read'] });
export const allPowerful = await tokens.issue({ ...caller, scopes: ['*'] });

/** What the handlers saw and did. */
class Stage {
  readonly calls: Call[] = [];
  readonly notes: Note[] = [];
  sent = 0;
  readonly streamEnded = Promise.withResolvers<void>();
  /** Calls within the chain, the handler's answer or the chain's giving up included. */
  running = 0;
  readonly release = Promise.withResolvers<void>();
  readonly handlerStarted = Promise.withResolvers<void>();
  /** How often items were written. */
  writes = 0;
  readonly answers = new Map<string, StoredAnswer>();
  hidesAnswers = false;

  /** What a database does in one transaction. */
  async writeOnce<T>(once: Once<T> | undefined, write: () => T): Promise<T> {
    const stored = once && this.answers.get(once.key);
    if (stored) return once.answeredBefore(stored);
    const result = write();
    if (once) this.answers.set(once.key, { requestHash: once.requestHash, answer: once.toAnswer(result) });
    return result;
  }
}

/** What a service says about errors of a library that it uses. */
class LibraryError extends Error {}
const libraryProblem = (error: unknown) =>
  error instanceof LibraryError ? new Problem({ reason: Reason.UNAVAILABLE, detail: 'The library does not answer.', retryAfterSeconds: 2 }) : undefined;

const empty = { id: 'a', text: '', numbers: [], notes: [], count: 0 };

function controllers(stage: Stage) {
  @GrpcController(EchoService)
  class Echo implements Implementation<typeof EchoService> {
    async echo(note: Note, call: Call): Promise<Result<typeof NoteSchema>> {
      stage.calls.push(call);
      stage.notes.push(note);
      if (note.text === 'library') throw new LibraryError();
      if (note.text === 'bug') throw new Error('secret words of a bug');
      if (note.text === 'problem') {
        throw new Problem({ reason: Reason.TOO_BUSY, detail: 'grüße', violations: [{ pointer: '/a/0', detail: 'x' }, { parameter: 'p', detail: 'y' }], retryAfterSeconds: 7 });
      }
      if (note.text === 'deaf') {
        stage.handlerStarted.resolve();
        await stage.release.promise; // and not a look at the signal
      }
      if (note.text === 'wait') {
        stage.handlerStarted.resolve();
        await new Promise((resolve) => call.signal.addEventListener('abort', resolve, { once: true }));
        stage.release.resolve();
      }
      return note.text === 'overflow' ? { ...note, count: 2 ** 40 } : note;
    }

    async getEcho({ id }: GetEchoRequest): Promise<Result<typeof NoteSchema>> {
      return { ...empty, id };
    }

    async getEchoFile(): Promise<never> {
      throw new Problem({ reason: Reason.NOT_IMPLEMENTED, detail: 'not in this test' });
    }

    async countEcho({ note }: CountEchoRequest): Promise<Result<typeof NoteSchema>> {
      return { ...note!, count: note!.count + 1 };
    }

    async *watchEcho({ id, events, failAt }: WatchEchoRequest, { signal }: Call): AsyncIterable<Result<typeof EchoEventSchema>> {
      try {
        for (let sequence = 1; sequence <= events && !signal.aborted; sequence++) {
          if (sequence === failAt) throw new Problem({ reason: Reason.ITEM_NOT_FOUND, detail: 'gone' });
          stage.sent = sequence;
          yield { sequence, event: { case: 'note', value: { ...empty, id, text: 'x'.repeat(10_000) } } };
        }
        if (id === 'open' && !signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      } finally {
        stage.streamEnded.resolve();
      }
    }
  }

  @GrpcController(ItemService)
  class Items implements Implementation<typeof ItemService> {
    async upsertItems({ collection, items }: UpsertItemsRequest, { once }: Call): Promise<Result<typeof UpsertItemsResponseSchema>> {
      if (collection === 'forgetful') return { upserted: 0, unchanged: 0, position: 0 };
      if (collection === 'failing') throw new Problem({ reason: Reason.TOO_BUSY, detail: 'not now' });
      const bytes = items.flatMap(({ images }) => images.flatMap(({ source }) => (source.case === 'base64' ? [source.value] : [])));
      return stage.writeOnce(once((written) => written), () => {
        stage.writes += 1;
        return { upserted: items.length, unchanged: 0, position: bytes.reduce((sum, each) => sum + each.length + each.at(-1)!, 0) };
      });
    }
    async getItem(): Promise<never> {
      throw new Problem({ reason: Reason.NOT_IMPLEMENTED, detail: 'not in this test' });
    }
    async getItemImage(): Promise<never> {
      throw new Problem({ reason: Reason.NOT_IMPLEMENTED, detail: 'not in this test' });
    }
    async deleteItem(): Promise<never> {
      throw new Problem({ reason: Reason.NOT_IMPLEMENTED, detail: 'not in this test' });
    }
  }

  @Module({ controllers: [Echo, Items] })
  class TestModule {}
  return TestModule;
}

/** A server, and a way to it. */
export interface World {
  readonly stage: Stage;
  readonly channel: Channel;
  stop(): Promise<void>;
}

/** Starts the services of this suite behind the given steps. */
export async function startWorld(steps: readonly Step[], connect: (server: ContractServer) => Channel, listen?: string): Promise<World> {
  const stage = new Stage();
  const watch: Step = (next) => async (request, call) => {
    stage.running += 1;
    try {
      return await next(request, call);
    } finally {
      stage.running -= 1;
    }
  };
  const server = new ContractServer({ services: [EchoService, ItemService], verifier: new CallerTokenVerifier(publicKey), problemOf: libraryProblem, answers: { answerTo: async (_, key) => (stage.hidesAnswers ? undefined : stage.answers.get(key)) }, listen, steps: [watch, ...steps] });
  const app: INestMicroservice = await NestFactory.createMicroservice(controllers(stage), { strategy: server, logger: false });
  app.useGlobalFilters(new PassErrors());
  await app.listen();
  const channel = connect(server);
  return {
    stage,
    channel,
    async stop() {
      stage.release.resolve();
      channel.close();
      await app.close();
    },
  };
}
