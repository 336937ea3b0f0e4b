import { Problem, Reason } from '@touchstone/contracts';

export const tenantExists = (name: string) =>
  new Problem({ reason: Reason.TENANT_EXISTS, detail: `There is a tenant ${name} already.`, violations: [{ pointer: '/name', detail: 'is taken' }] });

/** @param pointer to the field that names it. */
export const tenantNotFound = (name: string, pointer = '/id') =>
  new Problem({ reason: Reason.TENANT_NOT_FOUND, detail: `There is no tenant ${name}.`, violations: [{ pointer, detail: 'no such tenant' }] });
