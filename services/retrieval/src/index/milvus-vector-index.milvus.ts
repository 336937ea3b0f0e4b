import { randomUUID } from 'node:crypto';
import { type Milvus as MilvusServer, startMilvus } from '@touchstone/testing';
import { afterAll, beforeAll } from 'vitest';
import { Milvus, MilvusUnavailable } from './milvus.client.ts';
import { MilvusVectorIndex } from './milvus-vector-index.ts';
import { type Subject, vectorIndexContract } from './vector-index.contract.ts';

let server: MilvusServer;
let milvus: Milvus;
beforeAll(async () => {
  server = await startMilvus({ timeTickMs: 20 });
  milvus = await Milvus.at(server.address);
});
afterAll(async () => {
  await milvus?.close();
  await server?.stop();
});

async function open(spaces: ReadonlyMap<string, { dimension: number }>, key: string = randomUUID()): Promise<Subject> {
  const index = await MilvusVectorIndex.open(milvus, key, spaces);
  return {
    index,
    load: (items) => index.apply(items.map((item) => ({ item })), index.position + 1),
    settle: () => index.seal(),
    async restart() {
      await server.kill();
      await server.restart('kept');
      return answered(() => open(spaces, key));
    },
    close: () => index.drop(),
  };
}

/** After a start Milvus takes a while until it has loaded its collections; the service asks again every second. */
async function answered<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  const givenUpAt = Date.now() + 90_000;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof MilvusUnavailable) || Date.now() > givenUpAt) throw error;
    }
  }
}

vectorIndexContract('Milvus 2.3.5', open, { recall: 0.98, items: 8_000, operations: 40 });
