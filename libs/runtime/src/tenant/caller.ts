/** Whose data a call may see. */
export interface Tenant {
  /** A UUID. */
  readonly id: string;
  /**
   * How much it may have of what services count, by their own names (`items`); what is absent has no limit. Known in the call
   * of a caller, not in work that goes on without one.
   */
  readonly limits?: Readonly<Record<string, number>>;
}

/** Who calls: the tenant, the key that was shown, and what that key may do. */
export interface Caller {
  readonly tenant: Tenant;
  readonly keyId: string;
  /** `<service>:<read|write|admin>`, or `*` for all. */
  readonly scopes: readonly string[];
}
