import { seededRandom } from '@touchstone/runtime/random';
import type { HiddenStates } from './evocut.ts';

/** Numbers of a standard normal variable: Box, Muller, Annals of Mathematical Statistics 29 (1958), 610–611. */
export const normal = (random: () => number) => () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

export interface Planted {
  readonly tokens?: number;
  readonly width?: number;
  readonly transitions?: number;
  readonly groups?: number;
  /** Tokens that go their own way in every transition. */
  readonly deviants?: readonly number[];
  /** Tokens that go their own way in one transition. */
  readonly spikes?: readonly number[];
  /** Standard deviation of a step around its group's direction, whose length is 1. */
  readonly noise?: number;
  readonly seed: number;
}

/** Hidden states whose tokens take the directions of a few groups, but for those that are planted to deviate. */
export function plantedStates({ tokens = 64, width = 32, transitions = 5, groups = 8, deviants = [], spikes = [], noise = 0.02, seed }: Planted): HiddenStates {
  const draw = normal(seededRandom(seed));
  const vector = () => Float64Array.from({ length: width }, draw);
  const unit = (values: Float64Array) => values.map((value) => value / Math.hypot(...values));
  const layers = [Float32Array.from({ length: tokens * width }, draw)];
  for (let transition = 0; transition < transitions; transition++) {
    const directions = Array.from({ length: groups }, () => unit(vector()));
    const next = Float32Array.from(layers[transition]);
    for (let token = 0; token < tokens; token++) {
      const isOwn = deviants.includes(token) || (transition === 1 && spikes.includes(token));
      const direction = isOwn ? unit(vector()) : directions[token % groups].map((value) => value + noise * draw());
      const length = 0.5 + (token % 7) / 7;
      for (let i = 0; i < width; i++) next[token * width + i] += length * direction[i];
    }
    layers.push(next);
  }
  return { layers, tokens, width };
}

/** The tokens that farthest-point initialisation takes, by the first transition: the first, then always the one least like those taken. */
export function furthestTokens({ layers, tokens, width }: HiddenStates, count: number): number[] {
  const step = (token: number) => Array.from({ length: width }, (_, i) => layers[1][token * width + i] - layers[0][token * width + i]);
  const cosine = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0) / (Math.hypot(...a) * Math.hypot(...b));
  const taken = [0];
  while (taken.length < count) {
    const closeness = Array.from({ length: tokens }, (_, token) => Math.max(...taken.map((other) => cosine(step(token), step(other)))));
    taken.push(closeness.indexOf(Math.min(...closeness)));
  }
  return taken;
}
