import { terminationSignal } from '@touchstone/runtime/lifecycle';
import { log } from '@touchstone/runtime/logging';
import { startTracing } from '@touchstone/runtime/telemetry';
import { readConfiguration } from '../configuration.ts';
import { type ServiceName, serviceNames } from '../service-names.ts';
import { UsageError } from '../usage-error.ts';
import { startHealthServer } from './health-server.ts';
import { startPlatform } from './platform.ts';

/** `serve [service…]`: runs services until a signal ends them; all of them when none is named. */
export async function serve(words: readonly string[]): Promise<number> {
  const unknown = words.find((word) => !serviceNames.includes(word as ServiceName));
  if (unknown) throw new UsageError(`there is no service ${unknown}; expected ${serviceNames.join(' or ')}`);
  const configuration = readConfiguration();
  const names = words.length === 0 ? serviceNames : serviceNames.filter((name) => words.includes(name));

  const tracing = await startTracing(configuration.tracing);
  const platform = await startPlatform(configuration, names);
  const healthServer = configuration.healthPort === undefined ? undefined : await startHealthServer({ host: configuration.host, port: configuration.healthPort }, platform);
  log.info({ services: names, url: platform.url, healthPort: healthServer?.port }, 'serving');
  if (platform.url && process.stdout.isTTY) process.stdout.write(`Touchstone: ${platform.url}/docs\n`);

  const signal = await terminationSignal();
  log.info({ signal }, 'stopping');
  process.once('SIGINT', () => process.exit(1));
  await healthServer?.stop();
  await platform.stop();
  await tracing.stop();
  return 0;
}
