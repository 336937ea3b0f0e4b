import { defineConfig } from 'vitest/config';
import base from './vitest.config.ts';

/** Against a real Milvus, which each file starts; most of their time they wait for it. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['{libs,services,e2e}/**/*.milvus.ts'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
  },
});
