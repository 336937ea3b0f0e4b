import { create, type DescMethod, type Message } from '@bufbuild/protobuf';
import { type CallOptions, type Channel, serviceClient } from '@touchstone/contracts';
import {
  type GetOperationRequest,
  type ListOperationsRequest,
  type ListOperationsResponse,
  ListOperationsResponseSchema,
  OperationService,
} from '@touchstone/contracts/gen/touchstone/operations/v1/operation_pb';
import { cursorAfter, serviceOf } from '@touchstone/operations';

const defaultLimit = 50;

/** The operations of all services as those of one: an id says whose it is, and the list is merged. */
export class OperationsChannel implements Channel {
  private readonly first: Channel;

  /** @param channels by the services' names; who made them closes them. */
  constructor(private readonly channels: ReadonlyMap<string, Channel>) {
    const [first] = channels.values();
    if (!first) throw new Error('OperationsChannel: needs at least one service');
    this.first = first;
  }

  async unary(method: DescMethod, request: Message, options: CallOptions): Promise<Message> {
    if (method === OperationService.method.listOperations) return this.list(request as ListOperationsRequest, options);
    return this.owner(request).unary(method, request, options);
  }

  async *stream(method: DescMethod, request: Message, options: CallOptions): AsyncIterable<Message> {
    yield* this.owner(request).stream(method, request, options);
  }

  close(): void {}

  /**
   * Every request but that of the list names an operation. An id of no service goes to the first of them, which checks
   * the caller and the id's form as any does, and knows no such operation.
   */
  private owner(request: Message): Channel {
    const { id } = request as GetOperationRequest;
    return this.channels.get(serviceOf(id) ?? '') ?? this.first;
  }

  /** Newest first over all services. Ids grow with time and a cursor is a place in time, so it holds in each of them. */
  private async list(request: ListOperationsRequest, options: CallOptions): Promise<ListOperationsResponse> {
    const pages = await Promise.all([...this.channels.values()].map((channel) => serviceClient(OperationService, channel).listOperations(request, options)));
    const newest = pages.flatMap(({ operations }) => operations).sort((a, b) => (a.id.slice(-32) < b.id.slice(-32) ? 1 : -1));
    const operations = newest.slice(0, request.limit ?? defaultLimit);
    const hasMore = newest.length > operations.length || pages.some(({ nextCursor }) => nextCursor !== undefined);
    return create(ListOperationsResponseSchema, { operations, nextCursor: hasMore && operations.length > 0 ? cursorAfter(operations.at(-1)!) : undefined });
  }
}
