import { defineConfig, mergeConfig } from 'vitest/config';
import { fromSource } from '../../vitest.source.ts';

/** Tests that break their own platforms; one after the other. */
export default mergeConfig(
  fromSource,
  defineConfig({
    test: {
      root: import.meta.dirname,
      include: ['**/*.fault.ts'],
      fileParallelism: false,
      testTimeout: 300_000,
      hookTimeout: 180_000,
    },
  }),
);
