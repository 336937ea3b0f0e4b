import { defineConfig } from 'vitest/config';
import base from '../../vitest.config.ts';

/** Against a real S3-compatible server. */
export default defineConfig({
  ...base,
  test: { ...base.test, root: new URL('../..', import.meta.url).pathname, include: ['{libs,services}/**/*.s3.ts'], testTimeout: 60_000, hookTimeout: 900_000 },
});
