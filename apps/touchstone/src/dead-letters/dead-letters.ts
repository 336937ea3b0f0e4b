import { parseArgs } from 'node:util';
import { deadLetters, replayDeadLetters } from '@touchstone/messaging';
import { Database } from '@touchstone/persistence';
import { readConfiguration } from '../configuration.ts';
import { withServiceDatabase } from '../postgres/service-database.ts';
import { serviceNames } from '../service-names.ts';
import { UsageError } from '../usage-error.ts';

const usage = `expected one of
  dlq list   [--service retrieval] [--tenant ID] [--key KEY] [--limit 100]
  dlq replay [--service retrieval] [--tenant ID] [--key KEY]
A key is replayed as a whole, in order and before its later events.`;

/** Services that hear events. */
const consumers = serviceNames.filter((name) => name !== 'gateway');

/** `dlq list|replay`: works beside a running platform, with Kafka or without, and on the stopped one of this folder. */
export async function deadLetterQueue([action, ...words]: readonly string[]): Promise<number> {
  const work = { list, replay }[action ?? ''];
  if (!work) throw new UsageError(usage);
  const { service: named = 'retrieval', tenant, key, limit = '100' } = options(words);
  const service = consumers.find((name) => name === named);
  if (!service) throw new UsageError(`--service: expected ${consumers.join(' or ')}, got ${named}`);
  if (!/^[1-9]\d{0,5}$/.test(limit)) throw new UsageError(`--limit: expected a number up to 999999, got ${limit}`);
  if (tenant !== undefined && !uuid.test(tenant)) throw new UsageError(`--tenant: expected a tenant's id, a UUID, got ${tenant}`);
  return withServiceDatabase(readConfiguration(), service, async (urls) => {
    const database = new Database({ ...urls, service, entities: [] });
    try {
      await work(database, { service, tenant: tenant === undefined ? undefined : { id: tenant }, key, limit: Number(limit) });
      return 0;
    } finally {
      await database.close();
    }
  });
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

type Selection = Parameters<typeof deadLetters>[1];

async function list(database: Database, selection: Selection): Promise<void> {
  for (const { eventId, topic, tenantId, key, attempts, failedAt, cause } of await deadLetters(database, selection)) {
    process.stdout.write(`${failedAt.toISOString()}  ${eventId}  ${topic}  tenant ${tenantId ?? '-'}  key ${key}  ${attempts} attempts  ${cause.replaceAll('\n', ' ')}\n`);
  }
}

async function replay(database: Database, selection: Selection): Promise<void> {
  const count = await replayDeadLetters(database, selection);
  process.stdout.write(count === 0 ? 'There are no such dead letters.\n' : `${count} dead letters are handled again.\n`);
}

function options(words: readonly string[]) {
  try {
    return parseArgs({ args: [...words], options: { service: { type: 'string' }, tenant: { type: 'string' }, key: { type: 'string' }, limit: { type: 'string' } } }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`);
  }
}
