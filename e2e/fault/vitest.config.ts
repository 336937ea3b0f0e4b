import { defineConfig, mergeConfig } from 'vitest/config';
import { fromSource } from '../../vitest.source.ts';
import { FaultReport, isFull } from './fault-results.ts';

/** Tests that break their own platforms; one after the other. */
export default mergeConfig(
  fromSource,
  defineConfig({
    test: {
      root: import.meta.dirname,
      include: ['**/*.fault.ts'],
      exclude: isFull ? [] : ['soak.fault.ts'],
      fileParallelism: false,
      testTimeout: 300_000,
      hookTimeout: 180_000,
      reporters: ['default', ...(isFull ? [new FaultReport()] : [])],
    },
  }),
);
