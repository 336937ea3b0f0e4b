export { bootstrapInterval, type BootstrapOptions, type Interval } from './bootstrap.ts';
export { pairedDifference } from './paired-bootstrap.ts';
export { rankBiasedOverlap } from './rank-biased-overlap.ts';
export { normalQuantile } from './normal-quantile.ts';
export { wilsonInterval } from './wilson.ts';
