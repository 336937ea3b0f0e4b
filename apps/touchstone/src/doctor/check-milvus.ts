import { milvusVersion } from '@touchstone/retrieval';
import type { Configuration } from '../configuration.ts';
import type { Finding } from './finding.ts';

/** Whether the Milvus that has the indexes answers; nothing when they are in memory. */
export async function checkMilvus({ milvusAddress }: Configuration): Promise<Finding[]> {
  if (!milvusAddress) return [];
  const part = `Milvus at ${milvusAddress}`;
  try {
    return [{ part, seen: `answers, version ${await milvusVersion(milvusAddress)}` }];
  } catch (error) {
    return [{ part, seen: (error as Error).message, remedy: 'start Milvus, or correct TOUCHSTONE_MILVUS_ADDRESS' }];
  }
}
