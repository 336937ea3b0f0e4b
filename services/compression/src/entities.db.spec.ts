import { createDataSource, schemaDifference } from '@touchstone/persistence';
import { testDatabase } from '@touchstone/testing';
import { expect, it, onTestFinished } from 'vitest';
import { entities } from './start.ts';

it('entities and migrated schema do not differ', async () => {
  const database = await testDatabase({ service: 'compression' });
  onTestFinished(() => database.drop());
  const dataSource = createDataSource({ url: database.ownerUrl, service: 'compression', entities });
  await dataSource.initialize();
  onTestFinished(() => dataSource.destroy());
  expect(await schemaDifference(dataSource)).toEqual([]);
});
