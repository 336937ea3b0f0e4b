import { modelRepositoryFolder } from '@touchstone/models';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tinyQwen3Vl } from './tiny-qwen3-vl.ts';

/** What Hugging Face's Qwen3VLModel makes of the same notes with the same tiny weights: tools/qwen3-vl-fixture.py. */
export const qwenReference = JSON.parse(await readFile(new URL('../libs/models/src/fixture/qwen3-vl.json', modelRepositoryFolder), 'utf8')) as {
  tokenizer: { added_tokens: { id: number; content: string }[] };
  notes: { text: string; pictures: [number, number][]; vector: number[] }[];
};

/**
 * Lays the tiny Qwen3-VL for model-server: its tensors as they are declared for Triton, only the backend is the one that runs here.
 *
 * @returns what its entry of the manifest says instead: its size, its files with their pins, and sequences and pictures no larger
 *   than those that are compared, because every pair of patches is computed.
 */
export async function layTinyQwen3Vl(folder: string): Promise<object> {
  const { tokenizer } = qwenReference;
  const special = tokenizer.added_tokens;
  const files = {
    'tokenizer.json': Buffer.from(JSON.stringify(tokenizer)),
    '1/model.onnx': tinyQwen3Vl({ imageToken: special.find(({ content }) => content === '<|image_pad|>')!.id, vocabulary: special.at(-1)!.id + 1 }),
  };
  await mkdir(join(folder, '1'), { recursive: true });
  for (const [path, bytes] of Object.entries(files)) await writeFile(join(folder, path), bytes);
  const config = await readFile(new URL('laptop/embed-joint-qwen3-vl/config.pbtxt', modelRepositoryFolder), 'utf8');
  await writeFile(join(folder, 'config.pbtxt'), config.replace('backend: "python"', 'backend: "onnxruntime"'));
  const pinned = Object.entries(files).map(([path, bytes]) => ({ path, sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.byteLength, licence: 'Apache-2.0', sources: [{ file: path }] }));
  const freeSize = { patch: 16, merge: 2, frames: 2, minimumPixels: 4_096, maximumPixels: 288 * 192, mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] };
  return { dimension: 32, prefixes: [16], maximumTokens: 200, freeSize, files: pinned };
}
