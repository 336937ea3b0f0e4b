import { join } from 'node:path';
import { readManifest, versionOf } from '@touchstone/models';
import { pulledModels } from '@touchstone/testing';

/** The graph that the platform runs, pulled when it is not there, and its version. */
export async function encoderWeights(): Promise<{ file: string; version: string }> {
  return { file: join(await pulledModels(), 'encode-vision/1/model.onnx'), version: versionOf(readManifest('laptop')['encode-vision']) };
}
