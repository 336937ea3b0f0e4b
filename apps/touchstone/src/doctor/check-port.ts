import { createServer } from 'node:net';
import type { Configuration } from '../configuration.ts';
import type { Finding } from './finding.ts';

/** Whether the public port is free, ours already, or somebody else's. */
export async function checkPort({ host, port }: Configuration): Promise<Finding[]> {
  const part = `port ${host}:${port}`;
  const error = await listenOnce(host, port);
  if (!error) return [{ part, seen: 'is free' }];
  if (error.code !== 'EADDRINUSE') return [{ part, seen: error.message, remedy: 'choose another TOUCHSTONE_HOST and TOUCHSTONE_PORT' }];

  const ready = await fetch(`http://${host}:${port}/readyz`, { signal: AbortSignal.timeout(3_000) }).catch(() => undefined);
  const answer = (await ready?.json().catch(() => undefined)) as { parts?: { part: string; isReady: boolean; detail?: string }[] } | undefined;
  if (!answer?.parts) return [{ part, seen: 'is used by another program', remedy: 'stop it, or set TOUCHSTONE_PORT to a free port' }];
  return [
    { part, seen: 'a platform serves here' },
    ...answer.parts.map(({ part: name, isReady, detail }) => ({
      part: `serving ${name}`,
      seen: isReady ? 'is ready' : (detail ?? 'is not ready'),
      ...(isReady ? {} : { remedy: 'see the log of the platform; it becomes ready by itself once the cause is gone' }),
    })),
  ];
}

function listenOnce(host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve).listen(port, host, () => server.close(() => resolve(undefined)));
  });
}
