import { defineConfig, mergeConfig } from 'vitest/config';
import { fromSource } from './vitest.source.ts';

/** What needs the real Triton or its Python client, one file at a time. */
export default mergeConfig(
  fromSource,
  defineConfig({
    test: {
      include: ['{apps,examples,libs}/**/*.triton.ts'],
      fileParallelism: false,
      testTimeout: 180_000,
      hookTimeout: 300_000,
    },
  }),
);
