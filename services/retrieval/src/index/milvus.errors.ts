import { Problem, Reason } from '@touchstone/contracts';

export const notInMilvus = (pointer: string, detail: string) =>
  new Problem({ reason: Reason.NOT_IMPLEMENTED, detail: 'The index of this platform is in Milvus, which cannot do this.', violations: [{ pointer, detail }] });
