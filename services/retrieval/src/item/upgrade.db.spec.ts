import { Reason } from '@touchstone/contracts';
import { migrate } from '@touchstone/persistence';
import { testDatabase } from '@touchstone/testing';
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { startReplica } from '../fixture/replica.ts';

const migrations = fileURLToPath(new URL('../../../../migrations', import.meta.url));

it('rows of before items had parts are found, and get what they lack with their next write', async () => {
  const database = await testDatabase({ service: 'retrieval', isEmpty: true });
  onTestFinished(() => database.drop());
  const before = await mkdtemp(join(tmpdir(), 'touchstone-upgrade-'));
  onTestFinished(() => rm(before, { recursive: true }));
  for (const name of (await readdir(join(migrations, 'retrieval'))).filter((each) => each < '0007')) await cp(join(migrations, 'retrieval', name), join(before, 'retrieval', name));
  await migrate({ url: database.ownerUrl, services: ['retrieval'], folder: before });

  const tenant = { id: randomUUID() };
  const owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  onTestFinished(() => owner.end());
  const vector = Buffer.from(Float32Array.from({ length: 16 }, (_, index) => (index === 0 ? 1 : 0)).buffer);
  const spaces = [{ name: 'text', dimension: 16, modelVersion: 'hash@1' }, { name: 'image', dimension: 16, modelVersion: 'hash@1' }];
  const insert = async (table: string, row: object) => {
    const columns = Object.keys(row);
    await owner.query(`insert into retrieval.${table} (${columns.join(', ')}) values (${columns.map((_, index) => `$${index + 1}`).join(', ')})`, Object.values(row));
  };
  const place = { tenant_id: tenant.id, collection: 'c' };
  await insert('collection', { tenant_id: tenant.id, name: 'c', spaces: JSON.stringify(spaces), position: 1 });
  await insert('item', { ...place, id: 'old', title: 'Old', content_hash: 'of before', position: 1, created_at: '2025-05-05T00:00:00Z' });
  for (const space of ['text', 'image']) await insert('item_vector', { ...place, item_id: 'old', space, part: 0, model_version: 'hash@1', vector });
  await insert('item_image', { ...place, item_id: 'old', part: 0, sha256: 'a'.repeat(64), bytes: 3 });
  await migrate({ url: database.ownerUrl, services: ['retrieval'] });

  expect((await owner.query('select items from retrieval.collection')).rows).toEqual([{ items: '1' }]);

  const replica = await startReplica(database, tenant);
  onTestFinished(replica.stop);
  const { collections, items, searches, options, asked } = replica;
  expect(await collections.getCollection({ collection: 'c' }, options)).toMatchObject({ spaces: [{ kinds: ['text', 'ocr', 'note'] }, { kinds: ['image'] }] });
  await collections.putCollection({ collection: 'c' }, options);
  const time = { seconds: 1746403200n };
  expect(await items.getItem({ collection: 'c', id: 'old' }, options)).toMatchObject({ createdAt: time, storedAt: time, parts: [{ kinds: ['image'], isOwn: false }, { kinds: ['text', 'note'], isOwn: false }] });
  const { hits } = await searches.search({ collection: 'c', query: { vector: [...new Float32Array(vector.buffer.slice(vector.byteOffset, vector.byteOffset + 64))], space: 'text' } }, options);
  expect(hits).toMatchObject([{ id: 'old', score: 1 }]);

  const image = () => items.getItemImage({ collection: 'c', id: 'old', part: 0 }, options);
  await expect(image()).rejects.toMatchObject({ reason: Reason.IMAGE_NOT_FOUND, detail: expect.stringContaining('Write the item again') });

  const picture = { source: { case: 'base64' as const, value: new TextEncoder().encode('one') } };
  await items.upsertItems({ collection: 'c', items: [{ id: 'old', title: 'Old', images: [picture] }] }, options);
  expect(asked.texts).toEqual(['Old']);
  expect(asked.images).toHaveLength(1);
  expect(new TextDecoder().decode((await image()).data)).toBe('one');
  expect((await owner.query('select tenant_id from retrieval.picture')).rows).toEqual([{ tenant_id: tenant.id }]);
});
