/** Values of many pictures, and what follows from them. */
import { bootstrapInterval, type Interval, pairedDifference } from '@touchstone/statistics';
import { seededRandom } from '@touchstone/runtime/random';

export interface Row {
  /** The kind of picture. */
  readonly case: string;
  readonly measure: string;
  /** Tokens that a method may keep; absent where scores of all tokens are measured. */
  readonly budget?: number;
  readonly method: string;
  readonly pictures: number;
  readonly value: Interval;
}

/** EvoCut less another method, on the same pictures. */
export interface Difference {
  readonly case: string;
  readonly measure: string;
  readonly budget: number;
  readonly rival: string;
  readonly value: Interval;
}

const rounded = ({ estimate, lower, upper }: Interval): Interval => {
  const short = (value: number) => Number(value.toFixed(4));
  return { estimate: short(estimate), lower: short(lower), upper: short(upper) };
};
const options = () => ({ random: seededRandom(1) });

export class Samples {
  private readonly values = new Map<string, number[]>();

  add(of: string, measure: string, budget: number | undefined, method: string, value: number): void {
    if (!Number.isFinite(value)) throw new Error(`${of}, ${measure}, ${method}: got ${value}`);
    const key = JSON.stringify([of, measure, budget, method]);
    const list = this.values.get(key) ?? [];
    list.push(value);
    this.values.set(key, list);
  }

  rows(): Row[] {
    return [...this.values].map(([key, values]) => {
      const [of, measure, budget, method] = JSON.parse(key);
      return { case: of, measure, ...(budget === null ? {} : { budget }), method, pictures: values.length, value: rounded(bootstrapInterval(values, options())) };
    });
  }

  /** `subject` less each of `rivals` at one budget, where both were measured. */
  differences(subject: string, rivals: readonly string[], at: number): Difference[] {
    return [...this.values].flatMap(([key, values]) => {
      const [of, measure, budget, method] = JSON.parse(key);
      if (method !== subject || budget !== at) return [];
      return rivals.flatMap((rival) => {
        const others = this.values.get(JSON.stringify([of, measure, budget, rival]));
        return others ? [{ case: of, measure, budget, rival, value: rounded(pairedDifference(others, values, options())) }] : [];
      });
    });
  }
}
