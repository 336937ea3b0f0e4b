import { defineConfig } from 'vitest/config';

/** `npm run test:chart`: needs helm and kubernetes-validate, which .ci/tools brings; so it is not part of `npm test`. */
export default defineConfig({ test: { include: ['charts/*.chart.ts'], testTimeout: 60_000 } });
