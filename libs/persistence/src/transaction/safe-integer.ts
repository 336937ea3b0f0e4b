import type { ValueTransformer } from 'typeorm';

/**
 * For `bigint` columns that are numbers in TypeScript (`@Column({ type: 'bigint', transformer: safeInteger })`);
 * pg hands them over as strings. @throws RangeError beyond 2^53 - 1.
 */
export const safeInteger: ValueTransformer = {
  to: (value: unknown) => value,
  from: (value: string | null) => {
    if (value === null || value === undefined) return value;
    const number = Number(value);
    if (!Number.isSafeInteger(number)) throw new RangeError(`bigint ${value} is beyond 2^53 - 1`);
    return number;
  },
};
