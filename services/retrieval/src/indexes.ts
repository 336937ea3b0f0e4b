/** Threads that scan the indexes (`Scanner`). */
export const SCANNER = Symbol('scanner');

/** Where all replicas share the indexes (`Milvus`); without it each has its own in its memory. */
export const MILVUS = Symbol('milvus');

/** How large a collection may be that is copied out of the shared index's sight into this process (`CopyLimits`). */
export const COPY_LIMITS = Symbol('copy limits');

/** In vectors of one collection, over all its spaces and versions. */
export interface CopyLimits {
  /** To be searched while the shared index does not answer; 0 for never. All such copies together may have ten times as many. */
  readonly searched: number;
  /** To compare all vectors with each other. */
  readonly compared: number;
}

/** Of 100,000 vectors a copy is made within seconds; a million of 384 numbers are some 0.5 GB, and 1.5 GB of file. */
export const defaultCopyLimits: CopyLimits = { searched: 100_000, compared: 1_000_000 };
