import { expect, it } from 'vitest';
import { llava7b, tokenCost } from './language-model-cost.ts';

it('saves what the paper says at 64 of 576 tokens: 8.82 − 2.04 TFLOPs, and 256 MiB of cache', () => {
  const [all, kept] = [tokenCost(llava7b, 576), tokenCost(llava7b, 64)];
  expect((all.parameterFlops - kept.parameterFlops) / 1e12).toBeCloseTo(6.78, 2);
  expect((all.cacheBytes - kept.cacheBytes) / 2 ** 20).toBe(256);
  expect(tokenCost(llava7b, 1).cacheBytes).toBe(2 ** 19);
});

it('counts a layer by equation 7', () => {
  const model = { ...llava7b, layers: 1, width: 2, feedForwardWidth: 5 };
  // 3 tokens: 4·3·2² + 2·3²·2 + 2·3·2·5 = 48 + 36 + 60
  expect(tokenCost(model, 2, 1)).toMatchObject({ tokens: 3, formulaFlops: 144 });
});
