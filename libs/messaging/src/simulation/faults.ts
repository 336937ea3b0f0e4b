import { seededRandom } from '@touchstone/runtime/random';

/** So many steps after its beginning nothing goes wrong any more. */
export const calmAfter = 1_200;

export interface Fault {
  /** After so many steps of the history. */
  readonly at: number;
  readonly kind: 'crash' | 'pause' | 'swizzle' | 'clock' | 'lease' | 'rebalance' | 'replay' | 'stop' | 'cancel' | 'retry';
  /** In [0, 1): which process. */
  readonly victim: number;
  readonly ms: number;
}

const kinds: readonly Fault['kind'][] = ['crash', 'crash', 'pause', 'swizzle', 'clock', 'lease', 'rebalance', 'replay', 'replay', 'stop', 'cancel', 'cancel', 'retry'];

/** What happens to a history of this seed. */
export function faultsOf(seed: number): Fault[] {
  const random = seededRandom(seed ^ 0x5eed);
  const drawn = Array.from({ length: 3 + Math.floor(random() * 10) }, () => ({
    at: Math.floor(random() * calmAfter),
    kind: kinds[Math.floor(random() * kinds.length)],
    victim: random(),
    ms: Math.floor(random() * 12_000),
  }));
  return drawn.sort((a, b) => a.at - b.at);
}
