/** What `touchstone serve` runs, the door first; what each is stands in serve/services.ts. Settings, schemas and roles follow from the name. */
export const serviceNames = [
  'gateway',
  'retrieval',
  'compression',
] as const;
export type ServiceName = (typeof serviceNames)[number];
