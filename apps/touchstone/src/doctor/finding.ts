/** What was looked at; `remedy` says what to do and stands only beside a fault. */
export interface Finding {
  readonly part: string;
  readonly seen: string;
  readonly remedy?: string;
}
