import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Call, GrpcController, type Implementation, type Result } from '@touchstone/contracts';
import {
  type CalibrateGalleryRequest,
  type CalibrateGalleryResponseSchema,
  type ComparisonSchema,
  type DeleteGalleryRequest,
  type DeleteGalleryResponseSchema,
  type GallerySchema,
  GalleryService,
  type GetGalleryRequest,
  type ListGalleriesRequest,
  type ListGalleriesResponseSchema,
  type ListMatchesRequest,
  type ListMatchesResponseSchema,
  type MatchEventSchema,
  type MatchGalleryRequest,
  type MatchGalleryResponseSchema,
  type GalleryMatchSchema,
  type PutGalleryRequest,
  type RematchGalleryRequest,
  type WatchMatchesRequest,
} from '@touchstone/contracts/gen/touchstone/retrieval/v1/gallery_pb';
import { systemClock } from '@touchstone/runtime/clock';
import type { Interval } from '@touchstone/statistics';
import { shownCosine } from '../search/cosine.ts';
import { Queries } from '../search/queries.service.ts';
import { type Comparison, isMatch } from './comparison.ts';
import { Galleries, type WatchedGallery } from './galleries.service.ts';
import { GalleryCalibration } from './gallery-calibration.service.ts';
import { GalleryComparison } from './gallery-comparison.service.ts';
import type { GalleryMatch } from './gallery.entity.ts';

const watchPollMs = 500;
const watchPage = 100;

@GrpcController(GalleryService)
export class GalleryController implements Implementation<typeof GalleryService> {
  constructor(
    private readonly galleries: Galleries,
    private readonly comparison: GalleryComparison,
    private readonly calibration: GalleryCalibration,
    private readonly queries: Queries,
  ) {}

  async putGallery({ gallery, policy, references, watches, thresholds }: PutGalleryRequest, { tenant, once }: Call): Promise<Result<typeof GallerySchema>> {
    const settings = { policy, referenceCollection: references, watches, thresholds: thresholds.map(({ category, space, score }) => ({ category, space, score })) };
    return toMessage(await this.galleries.put(tenant, gallery, settings, once(toMessage)));
  }

  async getGallery({ gallery }: GetGalleryRequest, { tenant }: Call): Promise<Result<typeof GallerySchema>> {
    return toMessage(await this.galleries.get(tenant, gallery));
  }

  async listGalleries({ limit = 50, cursor }: ListGalleriesRequest, { tenant }: Call): Promise<Result<typeof ListGalleriesResponseSchema>> {
    const { rows, nextCursor } = await this.galleries.list(tenant, limit, cursor);
    return { galleries: rows.map(toMessage), nextCursor };
  }

  async deleteGallery({ gallery }: DeleteGalleryRequest, { tenant, once }: Call): Promise<Result<typeof DeleteGalleryResponseSchema>> {
    await this.galleries.delete(tenant, gallery, once(() => ({})));
    return {};
  }

  async rematchGallery({ gallery }: RematchGalleryRequest, { tenant, once }: Call): Promise<Result<typeof GallerySchema>> {
    return toMessage(await this.galleries.rematch(tenant, gallery, once(toMessage)));
  }

  async listMatches({ gallery, limit = 50, cursor, collection }: ListMatchesRequest, { tenant }: Call): Promise<Result<typeof ListMatchesResponseSchema>> {
    const { rows, nextCursor, policy } = await this.galleries.matches(tenant, gallery, { limit, cursor, collection });
    return { matches: rows.map((match) => matchMessage(match, policy)), nextCursor };
  }

  async matchGallery({ gallery: name, query, collection, limit = 10 }: MatchGalleryRequest, call: Call): Promise<Result<typeof MatchGalleryResponseSchema>> {
    const { gallery } = await this.galleries.get(call.tenant, name);
    const wanted = { query: await this.queries.read(query!, call), space: query!.space };
    const compared = await this.comparison.read(call.tenant, gallery, wanted, collection, call.signal);
    const comparisons = await this.comparison.nearest(call.tenant, gallery, compared, limit, call.signal);
    return { comparisons: comparisons.map(comparisonMessage) };
  }

  async *watchMatches({ gallery: name, afterSequence, limit = Infinity }: WatchMatchesRequest, { tenant, signal }: Call): AsyncIterable<Result<typeof MatchEventSchema>> {
    let seen = afterSequence ?? (await this.galleries.get(tenant, name)).gallery.sequence;
    yield { sequence: seen, event: { case: 'watching', value: {} } };
    for (let left = limit; left > 0 && !signal.aborted; ) {
      const { gallery, matches } = await this.galleries.matchesAfter(tenant, name, seen, Math.min(left, watchPage));
      for (const match of matches) yield { sequence: match.sequence, event: { case: 'matched', value: matchMessage(match, gallery.policy) } };
      seen = matches.at(-1)?.sequence ?? seen;
      left -= matches.length;
      if (matches.length === 0) await systemClock.wait(watchPollMs, signal);
    }
  }

  async calibrateGallery({ gallery, pairs, precision = 0.95, seed = 1 }: CalibrateGalleryRequest, { tenant, signal }: Call): Promise<Result<typeof CalibrateGalleryResponseSchema>> {
    const calibrations = await this.calibration.calibrate(tenant, gallery, pairs, precision, seed, signal);
    return {
      calibrations: calibrations.map(({ precision, recall, threshold, thresholdInterval, ...counts }) => ({
        ...counts,
        threshold,
        thresholdInterval,
        precision: precision && proportion(precision),
        recall: recall && proportion(recall),
      })),
    };
  }
}

function toMessage({ gallery, watches }: WatchedGallery): Result<typeof GallerySchema> {
  const { name, policy, referenceCollection, thresholds, createdAt } = gallery;
  return {
    ...{ name, policy, references: referenceCollection },
    watches: watches.map(({ collection, position, latestPosition }) => ({ collection, position, latestPosition })),
    thresholds: thresholds.map(({ category, space, score }) => ({ category, space, score })),
    createdAt: timestampFromDate(createdAt),
  };
}

function matchMessage({ collection, itemId, position, matchedAt, ...comparison }: GalleryMatch, policy: string): Result<typeof GalleryMatchSchema> {
  return { collection, itemId, position, policy, matchedAt: timestampFromDate(matchedAt), comparison: comparisonMessage(comparison) };
}

function comparisonMessage(comparison: Comparison): Result<typeof ComparisonSchema> {
  const { referenceId, category, score, threshold, space, kind, part } = comparison;
  return { referenceId, category, score: shownCosine(score), threshold, isMatch: isMatch(comparison), space, kind, part };
}

const proportion = ({ estimate, lower, upper }: Interval) => ({ value: estimate, low: lower, high: upper });
