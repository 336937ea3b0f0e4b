import { defineConfig } from 'vitest/config';
import base from '../vitest.config.ts';

/** Tests that break their own platforms; one after the other. */
export default defineConfig({
  ...base,
  test: { ...base.test, root: import.meta.dirname, include: ['**/*.fault.ts'], globalSetup: [], testTimeout: 300_000 },
});
