import { defineConfig } from 'vitest/config';
import own from './vitest.config.ts';

/** `npm run test:triton`: what needs the real Triton or its Python client, one file at a time. */
export default defineConfig({
  ...own,
  test: {
    ...own.test,
    include: ['{apps,libs}/**/*.triton.ts'],
    globalSetup: [],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});
