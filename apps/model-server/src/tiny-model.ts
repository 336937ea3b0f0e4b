import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * An ONNX model for tests, made with Python's onnx: x FP32 [batch, n] → `doubled` = 2x, and `rows` = the number of rows
 * that ran together, in every element, which shows how requests were joined.
 */
const bytes = Buffer.from(
    'CAg6qAIKFAoBeAoBeBIHZG91YmxlZCIDQWRkChEKAXgSBXNoYXBlIgVTaGFwZQopCgVzaGFwZQoEemVybxIFY291bnQiBkdhdGhl' +
    'cioLCgRheGlzGACgAQIKIAoFY291bnQSBmNvdW50ZiIEQ2FzdCoJCgJ0bxgBoAECChYKAXgKBWZ6ZXJvEgV6ZXJvcyIDTXVsChoK' +
    'BXplcm9zCgZjb3VudGYSBHJvd3MiA0FkZBIEdGlueSoLEAc6AQBCBHplcm8qDxABIgQAAAAAQgVmemVyb1oZCgF4EhQKEggBEg4K' +
    'BxIFYmF0Y2gKAxIBbmIfCgdkb3VibGVkEhQKEggBEg4KBxIFYmF0Y2gKAxIBbmIcCgRyb3dzEhQKEggBEg4KBxIFYmF0Y2gKAxIB' +
    'bkIECgAQEQ==',
  'base64',
);

/** Lays the model with a configuration; `extra` is more of config.pbtxt. */
export async function layTinyModel(repository: string, name: string, extra = '', onnx: Uint8Array = bytes): Promise<void> {
  const config = `
    name: "${name}" backend: "onnxruntime" max_batch_size: 16
    input [ { name: "x", data_type: TYPE_FP32, dims: [ -1 ] } ]
    output [ { name: "doubled", data_type: TYPE_FP32, dims: [ -1 ] }, { name: "rows", data_type: TYPE_FP32, dims: [ -1 ] } ]
    ${extra}`;
  await mkdir(join(repository, name, '1'), { recursive: true });
  await writeFile(join(repository, name, 'config.pbtxt'), config);
  await writeFile(join(repository, name, '1', 'model.onnx'), onnx);
}
