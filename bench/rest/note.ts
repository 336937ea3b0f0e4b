import type { Tenant } from '@touchstone/runtime/tenant';
import type { Database } from '@touchstone/persistence';
import type { DatabaseUrls } from '@touchstone/gateway';

/** The request of every row: about 1 KB of JSON. */
export const note = {
  id: 'note-1',
  text: 'Similar items are found by their meaning, not by their words; a picture of it is worth as much. '.repeat(8).trim(),
  numbers: Array.from({ length: 12 }, (_, index) => index / 7),
  attributes: { language: 'en', year: 2026, tags: ['a', 'b'], isPublic: true, source: null },
};

/** The one write of the third row, the same in every program. */
export async function writeNote(database: Database, tenant: Tenant, { id, text }: { id: string; text: string }): Promise<void> {
  await database.transaction(tenant, (transaction) => transaction.query('insert into bench.note (tenant_id, id, text) values ($1, $2, $3)', [tenant.id, id, text]));
}

/** What a server of this benchmark is told. */
export interface ServerSetting {
  readonly role: 'peer' | 'one-process' | 'gateway' | 'service';
  readonly database: DatabaseUrls;
  /** PEM of the token keys. */
  readonly privateKey: string;
  readonly publicKey: string;
  /** Where the service listens, for `gateway` and `service`. */
  readonly serviceUrl: string;
}
