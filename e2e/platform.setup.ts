import { type PlatformMode, startTestPlatform } from '@touchstone/testing';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    platform: {
      url: string;
      mode: PlatformMode;
      /** Keys of two tenants that may do everything, and of the first tenant with less. */
      keys: { first: string; second: string; reader: string; writer: string; expired: string; revoked: string };
      environment: Record<string, string>;
    };
  }
}

/** One platform for all files, in the layout that `TOUCHSTONE_E2E` names: `one-process` (default), `per-service` or `replicas`. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const mode = (process.env.TOUCHSTONE_E2E ?? 'one-process') as PlatformMode;
  const platform = await startTestPlatform({ mode });
  try {
    await platform.ready();
    const revoked = await platform.createKey('first', ['*']);
    await platform.command(['keys', 'revoke', revoked.split('_')[2]]);
    project.provide('platform', {
      url: platform.url,
      mode,
      keys: {
        first: await platform.createKey('first', ['*']),
        second: await platform.createKey('second', ['*']),
        reader: await platform.createKey('first', ['retrieval:read']),
        writer: await platform.createKey('first', ['retrieval:write']),
        expired: await platform.createKey('first', ['*'], '--expires', '2020-01-01'),
        revoked,
      },
      environment: platform.environment as Record<string, string>,
    });
  } catch (error) {
    await platform.stop();
    throw error;
  }
  return () => platform.stop();
}
