import type { Readable } from 'node:stream';
import type { Tenant } from '@touchstone/runtime/tenant';

/** Bytes on their way. */
export interface IncomingBytes {
  readonly source: AsyncIterable<Uint8Array>;
  /** What the sender says that come; 0 when it does not say. */
  readonly announcedBytes?: number;
}

/** Bytes that came in whole or in part, in a file of this process; not yet anybody's blob. */
export interface ReceivedFile {
  readonly path: string;
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
  /** Why the source ended early; absent when it came whole. */
  readonly failure?: unknown;
}

/** Bytes `start` to `end`, both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Where the bytes of blobs and of unfinished uploads lie; every process of the gateway sees the same. It knows no rows: what
 * no row names is removed by the sweep. Also the token by which Nest injects the one that is configured.
 */
export abstract class BlobStore {
  /**
   * Writes what comes to a new file, hashing on the way. A source that breaks leaves what came so far, with the `failure`.
   *
   * @throws Problem body-too-large beyond `limitBytes`, unavailable on a full disk; nothing is left then.
   */
  abstract receive(tenant: Tenant, incoming: IncomingBytes, limitBytes: number): Promise<ReceivedFile>;

  /** Makes a received file the bytes of the blob that it hashes to, durably. */
  abstract keep(tenant: Tenant, file: ReceivedFile): Promise<void>;

  /** Drops a received file, also one that was kept. */
  abstract discard(file: Pick<ReceivedFile, 'path'>): Promise<void>;

  abstract has(tenant: Tenant, id: string): Promise<boolean>;

  /** All bytes or a part, in pieces; all of them, also when the blob is removed meanwhile. */
  abstract read(tenant: Tenant, id: string, range?: ByteRange): Promise<Readable>;

  abstract remove(tenant: Tenant, id: string): Promise<void>;

  /** Makes a received file a part of an upload, durably. @returns the name under which its row knows it. */
  abstract keepPart(tenant: Tenant, file: ReceivedFile): Promise<string>;

  abstract readPart(tenant: Tenant, name: string): Promise<Readable>;

  abstract removePart(tenant: Tenant, name: string): Promise<void>;

  /** Every tenant that may have anything here. */
  abstract tenants(): Promise<Tenant[]>;

  /** Ids of blobs and names of parts that nobody wrote to since `before`. */
  abstract old(tenant: Tenant, before: Date): Promise<{ readonly blobs: string[]; readonly parts: string[] }>;

  /** Whether bytes can be stored now. @throws Error that says why not. */
  abstract check(): Promise<void>;
}
