import { setImmediate as otherWork } from 'node:timers/promises';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { EvaluateRequestSchema, type EvaluateRequest, type LabelledQuery } from '@touchstone/contracts/gen/touchstone/retrieval/v1/evaluation_pb';
import { type OperationContext, OperationHandler } from '@touchstone/operations';
import type { Tenant } from '@touchstone/runtime/tenant';
import { Collections } from '../collection/collections.service.ts';
import { indexKey } from '../collection/versions.ts';
import { Queries } from '../search/queries.service.ts';
import { Searches } from '../search/searches.service.ts';
import { difference, type Figure, figure, type Measure, measured, measuresAt } from './figures.ts';
import { judgementsOf, pointingTo, searchOf } from './labelled-search.ts';

export const evaluationKind = 'retrieval.evaluation';

const defaultDepths = [1, 5, 10];
/** Queries of a checkpoint. */
const batchQueries = 50;
const atOnce = 8;

/** What the controller asks for. */
export interface EvaluationInput extends JsonObject {
  /** The `EvaluateRequest`, as JSON. */
  request: JsonObject;
  /** Reads the caller's blobs; empty when no query has a picture from one. */
  token: string;
}

/** How far an evaluation is: what it was when a worker died is what the next one begins with. */
interface Checkpoint extends JsonObject {
  /** Of the first queries: each measure, in each version. */
  values: number[][][];
  /** Versions that were active then; none where the request names what is measured. */
  active: string[];
}

/** Measures searches by labelled queries. */
@OperationHandler(evaluationKind)
export class Evaluation implements OperationHandler<JsonObject> {
  constructor(
    private readonly collections: Collections,
    private readonly queries: Queries,
    private readonly searches: Searches,
  ) {}

  async run(context: OperationContext): Promise<JsonObject> {
    const { tenant, input, signal } = context;
    const { request: json, token } = input as EvaluationInput;
    const request = fromJson(EvaluateRequestSchema, json, { ignoreUnknownFields: true });
    const measures = measuresAt(request.k.length > 0 ? request.k : defaultDepths);
    const total = request.queries.length;

    let state = (context.checkpoint as Checkpoint | undefined) ?? { values: [], active: await this.activeVersions(tenant, request) };
    while (state.values.length < total) {
      signal.throwIfAborted();
      const values = await this.measure(context, request, { measures, token, from: state.values.length });
      const active = await this.activeVersions(tenant, request);
      // Queries of one evaluation are measured in one version: it begins anew when another one became active.
      state = active.join() === state.active.join() ? { active, values: [...state.values, ...values] } : { active, values: [] };
      context.progress({ done: state.values.length, total });
      await context.save(state);
    }
    return { tasks: await summary(request, measures, state.values, signal) };
  }

  /** Those that are measured; none where the request names what is. */
  private async activeVersions(tenant: Tenant, request: EvaluateRequest): Promise<string[]> {
    if (request.modelVersions.length > 0) return [];
    const { collection } = await this.collections.get(tenant, request.collection);
    return collection.spaces.map(indexKey);
  }

  /** The next queries, each in every version. @throws Problem of a search that points to its query: `/queries/<index>…` */
  private async measure({ tenant, signal }: OperationContext, request: EvaluateRequest, { measures, token, from }: { measures: readonly Measure[]; token: string; from: number }): Promise<number[][][]> {
    const some = request.queries.slice(from, from + batchQueries);
    const values = new Array<number[][]>(some.length);
    const limit = Math.max(...measures.map(({ k }) => k));
    const measureOne = async (query: LabelledQuery) => {
      const input = searchOf(query, await this.queries.read(query.query!, { token, signal }), { dimensions: request.dimensions, limit });
      const relevant = judgementsOf(query);
      return Promise.all(
        versionsOf(request).map(async (modelVersion) => {
          const { hits } = await this.searches.search(tenant, request.collection, { ...input, modelVersion }, signal);
          return measured(measures, hits.map(({ id }) => id), relevant);
        }),
      );
    };
    const left = some.entries();
    const work = async () => {
      for (const [index, query] of left) {
        signal.throwIfAborted();
        values[index] = await measureOne(query).catch((error: unknown) => {
          throw pointingTo(from + index, error);
        });
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    return values;
  }
}

/** None stands for those that are active. */
const versionsOf = ({ modelVersions }: EvaluateRequest): readonly (string | undefined)[] => (modelVersions.length > 0 ? modelVersions : [undefined]);

/** For each task its figures. @param values of each query: each measure, in each version. */
async function summary(request: EvaluateRequest, measures: readonly Measure[], values: readonly number[][][], signal: AbortSignal): Promise<JsonObject[]> {
  const { queries, confidence = 0.95, seed = 1 } = request;
  const options = { confidence, seed };
  const versions = versionsOf(request);
  const tasks: JsonObject[] = [];
  for (const [task, indexes] of Map.groupBy(queries.keys(), (index) => queries[index].task)) {
    const of = (version: number, measure: number) => indexes.map((index) => values[index][version][measure]);
    const figures = (one: (measure: Measure, at: number) => Figure) => eachInTurn(measures, one, signal);
    const perVersion: JsonObject[] = [];
    for (const [version, modelVersion] of versions.entries()) perVersion.push({ ...(modelVersion === undefined ? {} : { modelVersion }), figures: await figures((measure, at) => figure(measure, of(version, at), options)) });
    const differences = versions.length === 2 ? await figures((measure, at) => difference(measure, of(0, at), of(1, at), options)) : [];
    tasks.push({ ...(task === undefined ? {} : { task }), queries: indexes.length, versions: perVersion, differences });
  }
  return tasks;
}

/** An interval takes some milliseconds: requests of others come in between. */
async function eachInTurn(measures: readonly Measure[], one: (measure: Measure, at: number) => Figure, signal: AbortSignal): Promise<JsonObject[]> {
  const figures: JsonObject[] = [];
  for (const [at, measure] of measures.entries()) {
    signal.throwIfAborted();
    figures.push({ ...one(measure, at) });
    await otherWork();
  }
  return figures;
}
