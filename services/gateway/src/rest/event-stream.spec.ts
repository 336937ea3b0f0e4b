import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { EchoEventSchema } from '@touchstone/contracts/gen/touchstone/echo/v1/echo_pb';
import type { FastifyReply } from 'fastify';
import { afterEach, expect, it, vi } from 'vitest';
import { sendEvents } from './event-stream.ts';

afterEach(() => {
  vi.useRealTimers();
});

it('says that it still lives while nothing happens, and stops saying so at the end', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const finish = Promise.withResolvers<void>();
  async function* events() {
    yield create(EchoEventSchema, { sequence: 1, event: { case: 'finished', value: 'a' } });
    await finish.promise;
  }
  const server = createServer((_, raw: ServerResponse) => {
    const reply = { raw, hijack: () => undefined, getHeaders: () => ({}) } as unknown as FastifyReply;
    void sendEvents(reply, events(), EchoEventSchema, () => ({}));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe('event: finished\nid: 1\ndata: {"sequence":1,"finished":"a"}\n\n');
    vi.advanceTimersByTime(15_000);
    expect((await reader.read()).value).toBe(': still here\n\n');
    finish.resolve();
    expect((await reader.read()).done).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    server.close();
  }
});
