import { type Call, GrpcController, type Implementation, type Result } from '@touchstone/contracts';
import { type SearchRequest, type SearchResponseSchema, SearchService } from '@touchstone/contracts/gen/touchstone/retrieval/v1/search_pb';
import type { GroupBy } from '../index/vector-index.ts';
import { Items } from '../item/items.service.ts';
import { toItemMessage } from '../item/item-message.ts';
import { type NamedField, readFilter } from './filter-reader.ts';
import { Queries } from './queries.service.ts';
import { toResponse } from './search-response.ts';
import { identityOf } from './search-query.ts';
import { tooManyItems } from './search.errors.ts';
import { type SearchInput, Searches } from './searches.service.ts';
import type { TaskName } from './tasks.ts';

const defaultLimit = 10;
/** They may have 50 kB each. */
const mostItems = 100;

@GrpcController(SearchService)
export class SearchController implements Implementation<typeof SearchService> {
  constructor(
    private readonly searches: Searches,
    private readonly queries: Queries,
    private readonly items: Items,
  ) {}

  async search(request: SearchRequest, call: Call): Promise<Result<typeof SearchResponseSchema>> {
    const { collection, withItems } = request;
    if (withItems && (request.limit ?? defaultLimit) > mostItems) throw tooManyItems(mostItems);
    const answer = await this.searches.search(call.tenant, collection, await this.toInput(request, call), call.signal);
    const items = withItems ? await this.items.list(call.tenant, collection, answer.hits.map(({ id }) => id)) : [];
    return toResponse(answer, request, new Map(items.map((shown) => [shown.item.id, toItemMessage(shown)])));
  }

  private async toInput(request: SearchRequest, call: Call): Promise<SearchInput> {
    const { limit = defaultLimit, minPosition = 0, excludeSelf = true, cursor, dimensions, minScore, facets } = request;
    const query = await this.queries.read(request.query!, call);
    const { space } = request.query!;
    const task = request.task as TaskName | undefined; // one of the ten by a rule of the contract
    const { filter, fields } = request.filter ? readFilter(request.filter, '/filter') : { filter: undefined, fields: [] };
    const groupBy = groupingOf(request.groupBy);
    return {
      ...{ query, space, task, dimensions, filter, groupBy, limit, minPosition, cursor, minScore, facets },
      excludesSelf: excludeSelf,
      fields: [...fields, ...groupField(groupBy), ...facets.map((field, index) => ({ field, pointer: `/facets/${index}` }))],
      identity: [identityOf(query), space, task, dimensions, filter, groupBy, excludeSelf, minScore],
    };
  }
}

function groupingOf(name = 'note'): GroupBy {
  return name === 'part' || name === 'note' || name === 'duplicateCluster' ? name : { field: name };
}

function groupField(groupBy: GroupBy): NamedField[] {
  return typeof groupBy === 'string' ? [] : [{ field: groupBy.field, pointer: '/groupBy' }];
}
