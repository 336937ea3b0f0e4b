import { Inject, Injectable } from '@nestjs/common';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Call, type CallOptions, type Channel, Problem, Reason, serviceClient, type ServiceClient } from '@touchstone/contracts';
import { BlobService } from '@touchstone/contracts/gen/touchstone/blobs/v1/blob_pb';

/** Token of the way to the blobs (`Channel` or undefined). */
export const BLOBS = Symbol('blobs');

const longestReadMs = 24 * 3_600_000;

/** A blob that is being read. */
export interface BlobFile {
  readonly bytes: number;
  /** Its content in order; who stops reading ends the transfer. */
  readonly pieces: AsyncIterable<Uint8Array>;
  /** Ends the transfer before its first piece. */
  end(): Promise<void>;
}

/** Bytes to store as a blob. */
export interface NewBlob {
  readonly data: Uint8Array;
  readonly mediaType: string;
  /** When it may be dropped. */
  readonly expiresAt: Date;
}

/** About what one message between services holds. */
const mostBytesAtOnce = 24 * 1024 * 1024;

/** Reads and writes blobs of the platform, on behalf of the caller whose token is given. */
@Injectable()
export class BlobFiles {
  private readonly client: ServiceClient<typeof BlobService> | undefined;

  constructor(@Inject(BLOBS) blobs: Channel | undefined) {
    this.client = blobs && serviceClient(BlobService, blobs);
  }

  /**
   * @param range bytes; all of the blob when absent.
   * @throws Problem blob-not-found, also for another tenant's.
   */
  async open(id: string, options: CallOptions, range: { offset?: number; length?: number } = {}): Promise<BlobFile> {
    const parts = this.reachable().readBlob({ id, ...range }, { deadline: Date.now() + longestReadMs, ...options })[Symbol.asyncIterator]();
    const { value: first } = await parts.next();
    if (first?.part.case !== 'blob') throw new Error(`The blob ${id} began without its facts`);
    return { bytes: first.part.value.bytes, pieces: contents(parts), end: async () => void (await parts.return?.()) };
  }

  /** A token that reads the caller's blobs for a day. @throws Problem blob-not-found */
  async grant(id: string, call: Call): Promise<string> {
    return (await this.reachable().grantReading({ id }, callOptions(call))).token;
  }

  /** Whole content of a small blob. @throws Problem blob-not-found */
  async read(id: string, call: Call): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for await (const piece of (await this.open(id, callOptions(call))).pieces) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  /** @returns those of the ids, at most 64, of which the caller has the blob. */
  async find(ids: readonly string[], call: Call): Promise<Set<string>> {
    const { blobs } = await this.reachable().findBlobs({ ids: [...ids] }, callOptions(call));
    return new Set(blobs.map(({ id }) => id));
  }

  /**
   * Stores blobs; bytes that are there already are the same blob. Those of at most 24 MB together are stored all or none.
   *
   * @returns their ids, in order.
   * @throws Problem blob-quota-exceeded
   */
  async write(blobs: readonly NewBlob[], call: Call): Promise<string[]> {
    const ids: string[] = [];
    for (const part of partsOf(blobs)) {
      const written = await this.reachable().writeBlobs(
        { blobs: part.map(({ data, mediaType, expiresAt }) => ({ data: data as Uint8Array<ArrayBuffer>, mediaType, expiresAt: timestampFromDate(expiresAt) })) },
        callOptions(call),
      );
      ids.push(...written.blobs.map(({ id }) => id));
    }
    return ids;
  }

  private reachable(): ServiceClient<typeof BlobService> {
    if (this.client) return this.client;
    throw new Problem({ reason: Reason.UNAVAILABLE, detail: 'Blobs cannot be reached: the operator sets TOUCHSTONE_GATEWAY_URL.' });
  }
}

/** On the caller's behalf, for no longer than the caller waits. */
const callOptions = ({ token, deadline, signal }: Call): CallOptions => ({ token, deadline, signal });

/** As many at once as one message holds. */
function partsOf(blobs: readonly NewBlob[]): NewBlob[][] {
  const parts: NewBlob[][] = [];
  let bytes = Infinity;
  for (const blob of blobs) {
    bytes += blob.data.byteLength;
    if (bytes > mostBytesAtOnce) {
      parts.push([]);
      bytes = blob.data.byteLength;
    }
    parts.at(-1)!.push(blob);
  }
  return parts;
}

type Part = ReturnType<ServiceClient<typeof BlobService>['readBlob']> extends AsyncIterable<infer Message> ? Message : never;

async function* contents(parts: AsyncIterator<Part>): AsyncIterable<Uint8Array> {
  try {
    for (let next = await parts.next(); !next.done; next = await parts.next()) {
      if (next.value.part.case === 'data') yield next.value.part.value;
    }
  } finally {
    await parts.return?.();
  }
}
