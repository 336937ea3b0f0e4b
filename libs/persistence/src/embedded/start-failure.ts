import { ConfigurationError } from '@touchstone/runtime/config';

/** Why PostgreSQL did not start, in words that say what to do; the last lines of its log are always there. */
export class PostgresStartFailure extends ConfigurationError {
  override readonly name = 'PostgresStartFailure';
  readonly reason: 'disk-full' | 'port-in-use' | 'folder-in-use' | 'other-version' | 'no-access' | 'unknown';

  /** @param freeBytes of the folder's disk: a full one takes no log either. */
  constructor(log: string, { folder, port, freeBytes }: { folder: string; port?: number; freeBytes: number }) {
    const found = reasons.find(({ pattern }) => pattern.test(log)) ?? (freeBytes < 64 * 1024 ? reasons[0] : undefined);
    const remedy = found?.remedy(folder, port) ?? `see ${folder}/log.`;
    super(`PostgreSQL did not start: ${remedy}\n${log.trim().split('\n').slice(-8).join('\n')}`);
    this.reason = found?.reason ?? 'unknown';
  }
}

const reasons: readonly { reason: PostgresStartFailure['reason']; pattern: RegExp; remedy: (folder: string, port?: number) => string }[] = [
  {
    reason: 'disk-full',
    pattern: /No space left on device|Disk quota exceeded/,
    remedy: (folder) => `the disk of ${folder} is full. Free some space and start again.`,
  },
  {
    reason: 'port-in-use',
    pattern: /Address already in use|could not create any TCP\/IP sockets/,
    remedy: (_, port) => `port ${port} is in use. Stop what listens there or choose another port.`,
  },
  {
    reason: 'folder-in-use',
    pattern: /lock file "[^"]*" already exists|pre-existing shared memory block/,
    remedy: (folder) => `another PostgreSQL uses ${folder}. Stop it first.`,
  },
  {
    reason: 'other-version',
    pattern: /database files are incompatible with server/,
    remedy: (folder) => `${folder} was written by another version of PostgreSQL.`,
  },
  {
    reason: 'no-access',
    pattern: /EACCES|[Pp]ermission denied/,
    remedy: (folder) =>
      `${folder} or PostgreSQL's binaries cannot be entered by the user it runs as. As root that is the user postgres: put both where others may enter (chmod o+x), for example not below /root.`,
  },
];
