import { startTriton } from '@touchstone/testing';
import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { languageModelContract } from './language-model.contract.ts';

/** Stands in for Triton's backend for ONNX, which its package for CPUs lacks. */
const program = fileURLToPath(new URL('../../model-repository/triton-cpu-test/embed-text/1/model.py', import.meta.url));

languageModelContract({
  name: 'tritonserver 2.51',
  async start(repository) {
    for (const model of await readdir(repository)) {
      const config = join(repository, model, 'config.pbtxt');
      await writeFile(config, (await readFile(config, 'utf8')).replace('"onnxruntime"', '"python"'));
      await copyFile(program, join(repository, model, '1', 'model.py'));
    }
    return startTriton({ repository });
  },
});
