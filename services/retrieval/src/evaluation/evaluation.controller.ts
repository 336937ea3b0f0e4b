import { type Call, GrpcController, type Implementation, Problem, Reason, type Result } from '@touchstone/contracts';
import { type EvaluateRequest, type EvaluateResponseSchema, EvaluationService, type LabelledQuery } from '@touchstone/contracts/gen/touchstone/retrieval/v1/evaluation_pb';
import { readFilter } from '../search/filter-reader.ts';
import { Queries } from '../search/queries.service.ts';
import type { TaskName } from '../search/tasks.ts';
import { Evaluations, type LabelledSearch, pointingTo } from './evaluations.service.ts';

const defaultDepths = [1, 5, 10];

@GrpcController(EvaluationService)
export class EvaluationController implements Implementation<typeof EvaluationService> {
  constructor(
    private readonly evaluations: Evaluations,
    private readonly queries: Queries,
  ) {}

  async evaluate(request: EvaluateRequest, call: Call): Promise<Result<typeof EvaluateResponseSchema>> {
    const { collection, confidence = 0.95, seed = 1, modelVersions, dimensions } = request;
    const depths = request.k.length > 0 ? request.k : defaultDepths;
    const searches: LabelledSearch[] = [];
    for (const [index, query] of request.queries.entries()) searches.push(await this.toSearch(query, index, { dimensions, limit: Math.max(...depths) }, call));
    const tasks = await this.evaluations.evaluate(call.tenant, collection, searches, { depths, confidence, seed, modelVersions }, call.signal);
    return { tasks: tasks.map(({ versions, differences, ...task }) => ({ ...task, versions: versions.map(({ modelVersion, figures }) => ({ modelVersion, figures: [...figures] })), differences: [...differences] })) };
  }

  private async toSearch({ query, task, filter, relevant, grades }: LabelledQuery, index: number, { dimensions, limit }: { dimensions?: number; limit: number }, call: Call): Promise<LabelledSearch> {
    if (grades.length > 0 && grades.length !== relevant.length) throw gradesDiffer(index, relevant.length, grades.length);
    try {
      const read = filter ? readFilter(filter, '/filter') : { filter: undefined, fields: [] };
      const asked = { query: await this.queries.read(query!, call), space: query!.space, task: task as TaskName | undefined, ...read };
      const input = { ...asked, dimensions, limit, minPosition: 0, groupBy: 'note' as const, excludesSelf: true, facets: [], identity: [] };
      return { input, relevant: new Map(relevant.map((id, place) => [id, grades[place] ?? 1])) };
    } catch (error) {
      throw pointingTo(index, error);
    }
  }
}

const gradesDiffer = (index: number, relevant: number, grades: number) =>
  new Problem({
    reason: Reason.INVALID_REQUEST,
    detail: 'There is a grade for each relevant item, or none.',
    violations: [{ pointer: `/queries/${index}/grades`, detail: `expected ${relevant}, got ${grades}` }],
  });
