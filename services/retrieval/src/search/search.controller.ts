import { type Call, GrpcController, type Implementation, type Result } from '@touchstone/contracts';
import {
  type Condition,
  type Filter as FilterMessage,
  type Query,
  type SearchRequest,
  type SearchResponseSchema,
  SearchService,
} from '@touchstone/contracts/gen/touchstone/retrieval/v1/search_pb';
import type { AttributeValue, Filter } from '../index/vector-index.ts';
import { Pictures } from '../item/pictures.service.ts';
import { notComparable, queriedOcrText } from './search.errors.ts';
import { type SearchQuery, Searches } from './searches.service.ts';

const defaultLimit = 10;

@GrpcController(SearchService)
export class SearchController implements Implementation<typeof SearchService> {
  constructor(
    private readonly searches: Searches,
    private readonly pictures: Pictures,
  ) {}

  async search(request: SearchRequest, call: Call): Promise<Result<typeof SearchResponseSchema>> {
    const { collection, query, filter, limit = defaultLimit, minPosition = 0 } = request;
    const input = { query: await this.toQuery(query!, call), space: query!.space, filter: toFilter(filter), limit, minPosition };
    const hits = await this.searches.search(call.tenant, collection, input, call.signal);
    return { hits: hits.map(({ id, score, space, part }) => ({ id, score, space, part })) };
  }

  /** The contract demands exactly one of the four. */
  private async toQuery({ itemId, text, image, vector }: Query, call: Call): Promise<SearchQuery> {
    if (itemId !== undefined) return { kind: 'item', id: itemId };
    if (text !== undefined) return { kind: 'text', text };
    if (image === undefined) return { kind: 'vector', vector };
    if (image.ocrText !== '') throw queriedOcrText();
    const [picture] = await this.pictures.load([{ image, pointer: '/query/image' }], call);
    return { kind: 'image', image: picture };
  }
}

function toFilter(filter: FilterMessage | undefined): Filter {
  return { all: (filter?.all ?? []).map((condition, index) => ({ field: condition.field, in: valuesOf(condition, `/filter/all/${index}`) })) };
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
