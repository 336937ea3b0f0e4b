import { startModelServer } from '@touchstone/model-server';
import { connectModels, type Models, modelRepositoryFolder } from '@touchstone/models';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pullModels, repositoryFolder } from './index.ts';
import { layTinyQwen3Vl } from './tiny-qwen3-vl-model.ts';
import { tinySiglipImage, tinySiglipText } from './tiny-siglip.ts';

/** What the same tiny SigLIP makes of the same texts and pictures in numpy, prepared by Hugging Face's own processors: tools/joint-fixture.py. */
export const jointReference = JSON.parse(await readFile(new URL('../libs/models/src/fixture/joint.json', modelRepositoryFolder), 'utf8')) as {
  pictures: { width: number; height: number }[];
  texts: string[];
  tokens: { siglip: { tokenizer: object } };
  /** Every 16th number. */
  vectors: { texts: number[][]; pictures: number[][] };
};

export interface TinyJoint {
  readonly models: Models;
  stop(): Promise<void>;
}

/** The tiny seeded SigLIP as `embed-joint`, pinned as an operator does it and pulled, and the tiny Qwen3-VL beside it; both ready in model-server. */
export async function startTinyJoint(): Promise<TinyJoint> {
  const folder = await mkdtemp(join(tmpdir(), 'joint-'));
  const files: Record<string, Uint8Array> = {
    'embed-joint-text/tokenizer.json': Buffer.from(JSON.stringify(jointReference.tokens.siglip.tokenizer)),
    'embed-joint-text/text_model.onnx': tinySiglipText(),
    'embed-joint-image/vision_model.onnx': tinySiglipImage(),
  };
  for (const [path, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(folder, 'files', path)), { recursive: true });
    await writeFile(join(folder, 'files', path), bytes);
  }
  const overlays = JSON.parse(await readFile(new URL('manifest.json', modelRepositoryFolder), 'utf8'));
  for (const name of ['embed-joint-text', 'embed-joint-image']) {
    for (const file of overlays.laptop[name].files) {
      const bytes = files[file.sources.find((source: { file?: string }) => source.file).file];
      file.sha256 = createHash('sha256').update(bytes).digest('hex');
      file.bytes = bytes.byteLength;
      file.sources = file.sources.filter((source: { file?: string }) => source.file);
    }
  }
  const modelsFolder = join(folder, 'models');
  Object.assign(overlays.laptop['embed-joint-qwen3-vl'], await layTinyQwen3Vl(join(repositoryFolder(modelsFolder), 'embed-joint-qwen3-vl')));
  const manifest = join(folder, 'manifest.json');
  await writeFile(manifest, JSON.stringify(overlays));

  await pullModels({ modelsFolder, manifest, filesFolder: join(folder, 'files'), models: ['embed-joint'] });
  const server = await startModelServer({ modelRepository: repositoryFolder(modelsFolder), listen: `unix:${folder}/socket`, threads: 1, log: () => {} });
  const models = connectModels({ url: server.url, repository: repositoryFolder(modelsFolder), manifest });
  const stop = async () => {
    await models.close();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const awaited = ['embed-joint', 'embed-joint-qwen3-vl'];
  while ((await models.ready()).some(({ name, isReady }) => awaited.includes(name) && !isReady)) await delay(50);
  return { models, stop };
}
