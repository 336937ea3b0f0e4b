import { Problem, Reason } from '@touchstone/contracts';

export const tenantExists = (name: string) =>
  new Problem({ reason: Reason.TENANT_EXISTS, detail: `There is a tenant ${name} already.`, violations: [{ pointer: '/name', detail: 'is taken' }] });

export const tenantNotFound = (id: string) =>
  new Problem({ reason: Reason.TENANT_NOT_FOUND, detail: `There is no tenant ${id}.`, violations: [{ pointer: '/tenantId', detail: 'no such tenant' }] });
