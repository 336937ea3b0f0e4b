import { type Kind, kinds as allKinds } from '../index/vector-index.ts';
import type { Space } from '../collection/spaces.ts';

/** A vector that a caller brings with an item, of length 1. */
export interface OwnVector {
  readonly space: string;
  readonly kind: Kind;
  /** Of pictures and their texts: which picture; otherwise 0. */
  readonly part: number;
  readonly vector: Float32Array;
}

/** What is wrong with a vector that a caller brings. */
export class VectorRefused extends Error {
  constructor(
    readonly why: 'space-not-found' | 'wrong-dimension' | 'invalid-request',
    /** Into the vectors, such as `/joint/image/0`. */
    readonly pointer: string,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Reads the vectors of an item as JSON has them: `{<space>: {text?: number[], note?: number[], image?: number[][], ocr?: number[][]}}`.
 *
 * @param pictures how many the item has: lists of `image` and `ocr` have one element for each, an empty one where there is
 *   no vector. An item without pictures may bring vectors of pictures that stayed elsewhere.
 * @throws VectorRefused for the first that is wrong.
 */
export function ownVectors(vectors: unknown, spaces: readonly Space[], pictures: number): OwnVector[] {
  if (!isObject(vectors)) throw new VectorRefused('invalid-request', '', 'expected an object');
  return Object.entries(vectors).flatMap(([name, given]) => {
    const space = spaces.find((known) => known.name === name);
    if (!space) throw new VectorRefused('space-not-found', `/${name}`, `the collection has the spaces ${spaces.map((known) => known.name).join(', ')}`);
    if (!isObject(given)) throw new VectorRefused('invalid-request', `/${name}`, `expected an object with ${space.kinds.join(', ')}`);
    return Object.entries(given).flatMap(([kind, value]) => ofKind(space, kind, value, pictures));
  });
}

function ofKind(space: Space, kind: string, value: unknown, pictures: number): OwnVector[] {
  const pointer = `/${space.name}/${kind}`;
  const refuse = (detail: string) => new VectorRefused('invalid-request', pointer, detail);
  if (!isOneOf(allKinds, kind)) throw refuse(`expected one of ${space.kinds.join(', ')}`);
  if (!Array.isArray(value)) throw refuse('expected a list');
  if (value.length === 0) return [];
  if (!space.kinds.includes(kind)) throw refuse(`the space ${space.name} has vectors of ${space.kinds.join(', ')}`);
  if (kind === 'text' || kind === 'note') return [{ space: space.name, kind, part: 0, vector: unitVector(value, space.dimension, pointer) }];
  if (pictures > 0 && value.length !== pictures) throw refuse(`expected ${pictures} lists, one for each picture, and got ${value.length}`);
  if (value.length > maximumPictures) throw refuse(`expected at most ${maximumPictures} lists`);
  return value.flatMap((values: unknown, part) => {
    if (!Array.isArray(values)) throw new VectorRefused('invalid-request', `${pointer}/${part}`, 'expected a list of numbers');
    return values.length === 0 ? [] : [{ space: space.name, kind, part, vector: unitVector(values, space.dimension, `${pointer}/${part}`) }];
  });
}

const maximumPictures = 32;

/** The vector with length 1. */
function unitVector(values: readonly unknown[], dimension: number, pointer: string): Float32Array {
  if (values.length !== dimension) throw new VectorRefused('wrong-dimension', pointer, `expected ${dimension} numbers, got ${values.length}`);
  let largest = 0;
  for (let index = 0; index < dimension; index++) {
    const value = values[index];
    if (typeof value !== 'number' || !Number.isFinite(value)) throw new VectorRefused('invalid-request', `${pointer}/${index}`, 'expected a finite number');
    largest = Math.max(largest, Math.abs(value));
  }
  if (largest === 0) throw new VectorRefused('invalid-request', pointer, 'all its numbers are 0, so it has no direction');
  // Divided by the largest, because squares of very large and very small numbers are none.
  const numbers = values as readonly number[];
  let squares = 0;
  for (let index = 0; index < dimension; index++) squares += (numbers[index] / largest) ** 2;
  const length = Math.sqrt(squares);
  const vector = new Float32Array(dimension);
  for (let index = 0; index < dimension; index++) vector[index] = numbers[index] / largest / length;
  return vector;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const isOneOf = <Name extends string>(names: readonly Name[], name: string): name is Name => (names as readonly string[]).includes(name);
