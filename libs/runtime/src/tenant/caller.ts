/** Whose data a call may see. */
export interface Tenant {
  /** A UUID. */
  readonly id: string;
}

/** Who calls: the tenant, the key that was shown, and what that key may do. */
export interface Caller {
  readonly tenant: Tenant;
  readonly keyId: string;
  /** `<service>:<read|write|admin>`, or `*` for all. */
  readonly scopes: readonly string[];
}
