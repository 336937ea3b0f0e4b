import { type Call, GrpcController, type Implementation, type Result } from '@touchstone/contracts';
import {
  type Condition,
  type Filter as FilterMessage,
  type Query,
  type SearchRequest,
  type SearchResponseSchema,
  SearchService,
} from '@touchstone/contracts/gen/touchstone/retrieval/v1/search_pb';
import type { AttributeValue, Filter } from '../index/collection-index.ts';
import { pictureOf } from '../item/picture.ts';
import { notComparable } from './search.errors.ts';
import { type SearchQuery, Searches } from './searches.service.ts';

const defaultLimit = 10;

@GrpcController(SearchService)
export class SearchController implements Implementation<typeof SearchService> {
  constructor(private readonly searches: Searches) {}

  async search(request: SearchRequest, { tenant, signal }: Call): Promise<Result<typeof SearchResponseSchema>> {
    const { collection, query, filter, limit = defaultLimit, minPosition = 0 } = request;
    const input = { query: toQuery(query!), space: query!.space, filter: toFilter(filter), limit, minPosition };
    const hits = await this.searches.search(tenant, collection, input, signal);
    return { hits: hits.map(({ id, score, space, part }) => ({ id, score, space, part })) };
  }
}

/** The contract demands exactly one of the four. */
function toQuery({ itemId, text, image, vector }: Query): SearchQuery {
  if (itemId !== undefined) return { kind: 'item', id: itemId };
  if (text !== undefined) return { kind: 'text', text };
  if (image !== undefined) return { kind: 'image', image: pictureOf(image) };
  return { kind: 'vector', vector };
}

function toFilter(filter: FilterMessage | undefined): Filter {
  return (filter?.all ?? []).map((condition, index) => ({ field: condition.field, in: valuesOf(condition, `/filter/all/${index}`) }));
}

function valuesOf({ operator }: Condition, pointer: string): AttributeValue[] {
  if (operator.case === 'equals') {
    const { kind } = operator.value;
    if (kind.case !== 'stringValue' && kind.case !== 'numberValue' && kind.case !== 'boolValue') throw notComparable(`${pointer}/equals`);
    return [kind.value];
  }
  return (operator.value?.values ?? []).map(({ kind }, index) => {
    if (kind.case !== 'stringValue' && kind.case !== 'numberValue' && kind.case !== 'boolValue') throw notComparable(`${pointer}/in/${index}`);
    return kind.value;
  });
}
