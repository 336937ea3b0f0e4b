import { defineConfig, mergeConfig } from 'vitest/config';
import { fromSource } from './vitest.source.ts';

/** One process for a test file, two at a time: the machines that run this have two cores. */
export default mergeConfig(
  fromSource,
  defineConfig({
    test: {
      include: ['{apps,bench,libs,services}/**/*.spec.ts', '{examples,tools}/**/*.spec.ts', 'charts/**/*.spec.ts'],
      globalSetup: ['libs/testing/src/peers/template-server.setup.ts'],
      maxWorkers: 2,
      testTimeout: 30_000,
      hookTimeout: 60_000,
    },
  }),
);
