import type { ViteUserConfig } from 'vitest/config';

const resolve = { conditions: ['@touchstone/source', 'node'] };

/**
 * Runs tests, and what sets them up, from the sources of all packages: no build, and no stale one either. What a test
 * polls for has time also on a machine that is busy.
 */
export const fromSource = {
  resolve,
  ssr: { resolve },
  environments: { __vitest__: { resolve } }, // where vitest itself loads a globalSetup
  test: { execArgv: ['--conditions=@touchstone/source', `--import=${new URL('./source.mjs', import.meta.url).href}`], expect: { poll: { timeout: 20_000 } } },
} satisfies ViteUserConfig;
