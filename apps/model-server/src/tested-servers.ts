/** The servers that the contract suites are run against. */
import { startTriton } from '@touchstone/testing';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { InferenceServer } from './inference-server.contract.ts';
import { startModelServer } from './model-server.ts';
import { layTinyModel } from './tiny-model.ts';

export const modelServer: InferenceServer = {
  name: 'model-server',
  overlay: 'laptop',
  lay: layTinyModel,
  start: (modelRepository) => startModelServer({ modelRepository, listen: '127.0.0.1:0', threads: 1, log: () => {} }),
};

const program = fileURLToPath(new URL('../../../model-repository/triton-cpu-test/embed-text/1/model.py', import.meta.url));

export const triton: InferenceServer = {
  name: 'tritonserver 2.51',
  overlay: 'triton-cpu-test',
  async lay(repository, name, ...rest) {
    await layTinyModel(repository, name, ...rest);
    const config = join(repository, name, 'config.pbtxt');
    await writeFile(config, (await readFile(config, 'utf8')).replace('"onnxruntime"', '"python"'));
    await copyFile(program, join(repository, name, '1', 'model.py'));
  },
  start: (repository) => startTriton({ repository }),
};
