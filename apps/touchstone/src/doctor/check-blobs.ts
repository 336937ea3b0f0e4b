import { blobStoreAt } from '@touchstone/gateway';
import type { Configuration } from '../configuration.ts';
import type { Finding } from './finding.ts';

/** Whether the bucket of blobs answers; a folder of blobs is looked at with the disk. */
export async function checkBlobs({ blobsDir, blobsS3 }: Configuration): Promise<Finding[]> {
  if (!blobsS3) return [];
  const part = `blobs at ${blobsS3.url}`;
  try {
    await blobStoreAt({ folder: blobsDir, s3: blobsS3 }).check();
    return [{ part, seen: 'answers' }];
  } catch (error) {
    const cause = (error as Error).cause ?? error;
    return [{ part, seen: (cause as Error).message.slice(0, 300), remedy: 'correct TOUCHSTONE_BLOBS_S3_URL, TOUCHSTONE_BLOBS_S3_REGION and the AWS keys; the key may list, read, write and delete' }];
  }
}
