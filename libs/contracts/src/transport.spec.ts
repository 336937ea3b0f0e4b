import { log } from '@touchstone/runtime/logging';
import { beforeAll, describe, expect, it } from 'vitest';
import { answerOnce, answerWithProblems, callChain, keepDeadline, requireScope, type Step, validateRequest, verifyCaller } from './call-chain.ts';
import { checks } from './transport.contract.ts';
import { startWorld, token } from './transport.spec-service.ts';
import { EchoService } from '../gen/touchstone/echo/v1/echo_pb.ts';
import { type ContractServer, GrpcChannel, LocalChannel, serviceClient } from './index.ts';

const transports = [
  { name: 'in process', listen: undefined, connect: (server: ContractServer) => new LocalChannel(server) },
  { name: 'over gRPC', listen: '127.0.0.1:0', connect: (server: ContractServer) => new GrpcChannel(`127.0.0.1:${server.port}`) },
];

beforeAll(() => {
  log.level = 'silent'; // the bugs of these tests are on purpose
});

describe.each(transports)('$name', ({ connect, listen }) => {
  const run = async (name: string, steps: readonly Step[] = callChain) => {
    const world = await startWorld(steps, connect, listen);
    try {
      await checks[name](world);
    } finally {
      await world.stop();
    }
  };

  it.each(Object.keys(checks))('%s', (name) => run(name));

  it.each<[string, Step, string[]]>([
    ['answerWithProblems', answerWithProblems, ['an error of a library becomes the problem that it stands for']],
    ['verifyCaller', verifyCaller, ['no token, a wrong one, an expired one and one of another key open nothing', 'values arrive as they were sent']],
    ['requireScope', requireScope, ['the scope of the method is needed, and * has every scope']],
    ['validateRequest', validateRequest, ['a broken rule names its place, and no handler sees the request']],
    ['answerOnce', answerOnce, ['a write under an idempotency key takes effect once and has the same answer again']],
    ['keepDeadline', keepDeadline, ['a handler that ignores its signal holds nobody']],
  ])('needs %s: without it a check fails', async (_, removed, names) => {
    const rest = callChain.filter((step) => step !== removed);
    expect(rest).toHaveLength(callChain.length - 1);
    for (const name of names) await expect(run(name, rest), name).rejects.toThrow();
  });

  it('has a test for the removal of every step', () => {
    expect(new Set(callChain)).toEqual(new Set([answerWithProblems, verifyCaller, requireScope, validateRequest, keepDeadline, answerOnce]));
  });
});

it('a new channel connects at once, whatever an older one saw of the same address', async () => {
  let address = '';
  const connect = (server: ContractServer) => new GrpcChannel((address = `127.0.0.1:${server.port}`));
  await (await startWorld(callChain, connect, '127.0.0.1:0')).stop();
  const older = new GrpcChannel(address);
  await expect(serviceClient(EchoService, older).echo({ id: 'a' }, { token })).rejects.toThrow('cannot be reached');
  const world = await startWorld(callChain, connect, address);
  try {
    expect(await serviceClient(EchoService, world.channel).echo({ id: 'a' }, { token })).toMatchObject({ id: 'a' });
  } finally {
    older.close();
    await world.stop();
  }
});
