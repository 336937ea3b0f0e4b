import { create, type DescMethod, type Message } from '@bufbuild/protobuf';
import { type Channel, serviceClient } from '@touchstone/contracts';
import {
  type ListOperationsRequest,
  ListOperationsResponseSchema,
  OperationEventSchema,
  OperationSchema,
  OperationService,
} from '@touchstone/contracts/gen/touchstone/operations/v1/operation_pb';
import { expect, it } from 'vitest';
import { OperationsChannel } from './operations-channel.ts';

const options = { token: 't' };
const idOf = (service: string, time: number) => `${service}-${String(time).padStart(32, '0')}`;

/** A service with operations of these times, which remembers who was called. */
class FakeService implements Channel {
  readonly calls: string[] = [];
  readonly #ids: readonly string[];

  constructor(name: string, times: readonly number[]) {
    this.#ids = times.toSorted((a, b) => b - a).map((time) => idOf(name, time));
  }

  async unary(method: DescMethod, request: Message): Promise<Message> {
    this.calls.push(method.name);
    if (method !== OperationService.method.listOperations) return create(OperationSchema, { id: (request as unknown as { id: string }).id });
    const { cursor, limit = 50 } = request as ListOperationsRequest;
    const before = cursor === undefined ? 'g' : Buffer.from(cursor, 'base64url').toString('hex');
    const rest = this.#ids.filter((id) => id.slice(-32) < before);
    const page = rest.slice(0, limit);
    return create(ListOperationsResponseSchema, { operations: page.map((id) => ({ id })), nextCursor: rest.length > limit ? 'more' : undefined });
  }

  async *stream(method: DescMethod): AsyncIterable<Message> {
    this.calls.push(method.name);
    yield create(OperationEventSchema, { sequence: 1 });
  }

  close(): void {}
}

const upTo = (times: number) => Array.from({ length: times }, (_, index) => index + 1);

it('calls the service that the id names', async () => {
  const [judging, retrieval] = [new FakeService('judging', []), new FakeService('retrieval', [])];
  const operations = serviceClient(OperationService, new OperationsChannel(new Map([['judging', judging], ['retrieval', retrieval]])));
  await operations.getOperation({ id: idOf('judging', 1) }, options);
  await operations.cancelOperation({ id: idOf('judging', 1) }, options);
  for await (const event of operations.watchOperation({ id: idOf('judging', 1) }, options)) expect(event.sequence).toBe(1);
  expect(judging.calls).toEqual(['GetOperation', 'CancelOperation', 'WatchOperation']);
  expect(retrieval.calls).toEqual([]);
});

it.each(['training-00000000000000000000000000000001', 'nonsense', ''])('leaves the refusal of %j to a service, which knows caller and rules', async (id) => {
  const service = new FakeService('retrieval', []);
  await serviceClient(OperationService, new OperationsChannel(new Map([['retrieval', service]]))).getOperation({ id }, options);
  expect(service.calls).toEqual(['GetOperation']);
});

it.each([1, 2, 3, 7, 200])('lists the operations of all services newest first, %d a page, each once', async (limit) => {
  const channel = new OperationsChannel(
    new Map([
      ['empty', new FakeService('empty', [])],
      ['judging', new FakeService('judging', upTo(20).filter((time) => time % 3 !== 0))],
      ['retrieval', new FakeService('retrieval', upTo(20).filter((time) => time % 3 === 0))],
    ]),
  );
  const { listOperations } = serviceClient(OperationService, channel);
  const times: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await listOperations({ limit, cursor }, options);
    expect(page.operations.length).toBeLessThanOrEqual(limit);
    times.push(...page.operations.map(({ id }) => Number(id.slice(-32))));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  expect(times).toEqual(upTo(20).reverse());
});
