import { setImmediate as otherWork } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Problem } from '@touchstone/contracts';
import type { Tenant } from '@touchstone/runtime/tenant';
import { type SearchInput, Searches } from '../search/searches.service.ts';
import { difference, type Figure, figure, type IntervalOptions, type JudgedRanking, type Measure, measuresAt } from './figures.ts';
import type { Judgements } from './ranking-metrics.ts';

/** A search, and what it should find. */
export interface LabelledSearch {
  readonly input: SearchInput;
  readonly relevant: Judgements;
}

export interface EvaluationOptions extends IntervalOptions {
  readonly depths: readonly number[];
  /** None for the active versions, one, or two that are compared. */
  readonly modelVersions: readonly string[];
}

export interface TaskEvaluation {
  readonly task?: string;
  readonly queries: number;
  readonly versions: readonly { readonly modelVersion?: string; readonly figures: readonly Figure[] }[];
  readonly differences: readonly Figure[];
}

const atOnce = 8;

/** Measures searches by labelled queries. */
@Injectable()
export class Evaluations {
  constructor(private readonly searches: Searches) {}

  /** @throws Problem of a search, pointing to its query: `/queries/<index>…`. */
  async evaluate(tenant: Tenant, collection: string, queries: readonly LabelledSearch[], options: EvaluationOptions, signal: AbortSignal): Promise<TaskEvaluation[]> {
    const versions = options.modelVersions.length > 0 ? options.modelVersions : [undefined];
    const judged = await this.searchAll(tenant, collection, queries, versions, signal);
    const measures = measuresAt(options.depths);
    const tasks = Map.groupBy(queries.keys(), (index) => queries[index].input.task);
    const evaluations: TaskEvaluation[] = [];
    for (const [task, indexes] of tasks) {
      const ofTask = indexes.map((index) => judged[index]);
      const figuresOf = (one: (measure: Measure) => Figure) => eachInTurn(measures, one, signal);
      const perVersion: TaskEvaluation['versions'][number][] = [];
      for (const [version, modelVersion] of versions.entries()) perVersion.push({ modelVersion, figures: await figuresOf((measure) => figure(measure, ofTask, version, options)) });
      const differences = versions.length === 2 ? await figuresOf((measure) => difference(measure, ofTask, options)) : [];
      evaluations.push({ task, queries: ofTask.length, versions: perVersion, differences });
    }
    return evaluations;
  }

  /** Rankings in every version, aligned with `queries`. */
  private async searchAll(tenant: Tenant, collection: string, queries: readonly LabelledSearch[], versions: readonly (string | undefined)[], signal: AbortSignal): Promise<JudgedRanking[]> {
    const judged = new Array<JudgedRanking>(queries.length);
    const left = queries.entries();
    const work = async () => {
      for (const [index, { input, relevant }] of left) {
        signal.throwIfAborted();
        const search = async (modelVersion: string | undefined) => (await this.searches.search(tenant, collection, { ...input, modelVersion }, signal)).hits.map(({ id }) => id);
        const rankings = await Promise.all(versions.map(search)).catch((error: unknown) => {
          throw pointingTo(index, error);
        });
        judged[index] = { relevant, rankings };
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    return judged;
  }
}

/** A problem of a search as one of the request that names many; others as they are. */
export function pointingTo(index: number, error: unknown): unknown {
  if (!(error instanceof Problem)) return error;
  const { reason, detail, retryAfterSeconds } = error;
  const violations = error.violations.map((violation) => {
    const isOfQuery = violation.pointer !== undefined && /^\/(query|filter|task)(\/|$)/.test(violation.pointer);
    return isOfQuery ? { ...violation, pointer: `/queries/${index}${violation.pointer}` } : violation;
  });
  return new Problem({ reason, detail, violations, retryAfterSeconds }, { cause: error });
}

/** An interval takes some milliseconds: requests of others come in between. */
async function eachInTurn(measures: readonly Measure[], one: (measure: Measure) => Figure, signal: AbortSignal): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const measure of measures) {
    signal.throwIfAborted();
    figures.push(one(measure));
    await otherWork();
  }
  return figures;
}
