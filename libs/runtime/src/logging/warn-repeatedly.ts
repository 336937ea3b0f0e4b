import { log } from './index.ts';

const everyMs = 30_000;
const maximumRemembered = 1_000;
const remembered = new Map<string, { loggedAt: number; unlogged: number }>();

/**
 * A warning that every call would leave while something is wrong: the first one is logged, then one in 30 s with how many
 * there were; all others at level `debug`.
 *
 * @param message constant: it is what counts as the same warning.
 */
export function warnRepeatedly(fields: object, message: string): void {
  const now = performance.now();
  const known = remembered.get(message) ?? { loggedAt: -Infinity, unlogged: 0 };
  if (now - known.loggedAt < everyMs) {
    known.unlogged += 1;
    log.debug(fields, message);
    return;
  }
  log.warn(known.unlogged > 0 ? { ...fields, more: known.unlogged } : fields, message);
  remembered.delete(message);
  remembered.set(message, { loggedAt: now, unlogged: 0 });
  if (remembered.size > maximumRemembered) remembered.delete(remembered.keys().next().value!);
}
