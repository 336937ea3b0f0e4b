import { join } from 'node:path';
import { readManifest } from '@touchstone/models';
import { pulledModels } from '@touchstone/testing';

/** The graph that the platform runs, pulled when it is not there, and the weights in it: the report reads none of its own outputs. */
export async function encoderWeights(): Promise<{ file: string; weights: string }> {
  const { weights, files } = readManifest('laptop')['encode-vision'];
  return { file: join(await pulledModels(), 'encode-vision/1/model.onnx'), weights: `${weights}, source sha256 ${files[0].edit!.sha256}` };
}
