import { defineConfig } from 'vitest/config';

/** One process for a test file, two at a time: the machines that run this have two cores. */
export default defineConfig({
  resolve: { conditions: ['@touchstone/source', 'node'] },
  ssr: { resolve: { conditions: ['@touchstone/source', 'node'] } },
  test: {
    include: ['{apps,libs,services}/**/*.spec.ts', 'tools/**/*.spec.ts', 'charts/**/*.spec.ts'],
    globalSetup: ['libs/testing/src/peers/template-server.setup.ts'],
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    execArgv: ['--conditions=@touchstone/source', `--import=${new URL('./source.mjs', import.meta.url).href}`],
  },
});
