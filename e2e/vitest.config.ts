import { defineConfig } from 'vitest/config';

const source = new URL('../source.mjs', import.meta.url).href;

/** The platform as users meet it: real processes, REST. `TOUCHSTONE_E2E` says how it is laid out (platform.setup.ts). */
export default defineConfig({
  resolve: { conditions: ['@touchstone/source', 'node'] },
  ssr: { resolve: { conditions: ['@touchstone/source', 'node'] } },
  test: {
    root: import.meta.dirname,
    include: ['**/*.e2e.ts'],
    globalSetup: ['platform.setup.ts'],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 180_000,
    execArgv: ['--conditions=@touchstone/source', `--import=${source}`],
  },
});
