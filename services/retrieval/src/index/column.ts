import { Uint32List } from './uint32-list.ts';
import type { AttributeValue } from './vector-index.ts';

/** One value of each item, as a code: equal codes, equal values. Code 0 stands for no value or several. */
export class Column {
  readonly #values: (AttributeValue | undefined)[] = [undefined];
  readonly #codes = new Map<AttributeValue, number>();
  readonly #byOrdinal = new Uint32List();

  /** By code. */
  get values(): readonly (AttributeValue | undefined)[] {
    return this.#values;
  }

  /** Adds the next item. */
  push(value: AttributeValue | undefined): void {
    this.#byOrdinal.push(this.#codeFor(value));
  }

  code(ordinal: number): number {
    return this.#byOrdinal.at(ordinal);
  }

  value(ordinal: number): AttributeValue | undefined {
    return this.#values[this.code(ordinal)];
  }

  #codeFor(value: AttributeValue | undefined): number {
    if (value === undefined) return 0;
    let code = this.#codes.get(value);
    if (code === undefined) {
      code = this.#values.push(value) - 1;
      this.#codes.set(value, code);
    }
    return code;
  }
}
