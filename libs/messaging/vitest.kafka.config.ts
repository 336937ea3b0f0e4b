import { defineConfig } from 'vitest/config';
import base from '../../vitest.config.ts';

/** Against a real Kafka, which each file starts; one file after the other. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    root: new URL('../..', import.meta.url).pathname,
    include: ['{apps,libs}/**/*.kafka.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
