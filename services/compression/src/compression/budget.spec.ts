import { expect, it } from 'vitest';
import { keptCount } from './budget.ts';

it.each([
  [{ tokens: 28 }, 256, 28],
  [{ tokens: 300 }, 256, 300],
  [{ ratio: 0.111 }, 576, 64], // the paper's ninth: 63.9
  [{ ratio: 1 }, 256, 256],
  [{ ratio: 0.5 }, 5, 3],
  [{ ratio: 0.001 }, 256, 1],
])('%j of %d tokens are %d', (budget, tokens, expected) => expect(keptCount(budget, tokens)).toBe(expected));
