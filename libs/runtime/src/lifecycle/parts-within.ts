import { log } from '../logging/index.ts';
import type { Health } from './index.ts';

/** The health of all parts; when one of them does not answer in time, or the check fails, a part `readiness` that says so. */
export async function partsWithin(milliseconds: number, read: () => Promise<readonly Health[]>): Promise<readonly Health[]> {
  const { promise: late, resolve } = Promise.withResolvers<readonly Health[]>();
  const timer = setTimeout(() => resolve([{ part: 'readiness', isReady: false, detail: `a part did not answer in ${milliseconds / 1_000} s` }]), milliseconds);
  try {
    return await Promise.race([read(), late]);
  } catch (error) {
    log.error({ err: error }, 'readiness failed');
    return [{ part: 'readiness', isReady: false, detail: 'the check itself failed and was logged' }];
  } finally {
    clearTimeout(timer);
  }
}
