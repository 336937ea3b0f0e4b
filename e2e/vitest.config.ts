import { defineConfig, mergeConfig } from 'vitest/config';
import { fromSource } from '../vitest.source.ts';

/** The platform as users meet it: real processes, REST. `TOUCHSTONE_E2E` says how it is laid out (platform.setup.ts). */
export default mergeConfig(
  fromSource,
  defineConfig({
    test: {
      root: import.meta.dirname,
      include: ['**/*.e2e.ts'],
      globalSetup: ['platform.setup.ts'],
      fileParallelism: false,
      testTimeout: 60_000,
      hookTimeout: 180_000,
    },
  }),
);
